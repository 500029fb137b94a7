"""How often the parts of a server tell and ask each other; the same in the simulator."""

from __future__ import annotations

LEAST_PLAN_GAP_MS = 20.0
"""Between plans; what happens meanwhile counts together."""

REPORTS_PER_PLAN = 2
"""How often an endpoint tells the scheduler how streams fare, in each period of planning."""

URGENT_GAP_MS = 10.0
"""Before an endpoint's urgent report; several changes make one."""

STATUS_PERIOD_MS = 500.0
"""Between the statuses of a device that runs batches."""

PROBE_PERIOD_MS = 1000.0
"""Between the blank batches of an idle device that was slow."""

SHORTEST_WAIT_MS = 0.2
"""A batcher that asks to be asked again at once must not spin."""
