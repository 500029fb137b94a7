from __future__ import annotations

import pytest

from moonjelly.core.device import Device
from moonjelly.core.mode import Mode, ModeTable
from moonjelly.core.plan import DevicePlan, Plan
from moonjelly.core.problem import Problem
from moonjelly.core.variant import Variant
from moonjelly.scheduling.cores.scheduler.publication import Publication

NOBODY: frozenset[str] = frozenset()
FAST = ModeTable(((10.0, 12.0),), clock_mhz=1200.0)
SLOW = ModeTable(((25.0, 36.0),), clock_mhz=400.0)
TABLE = ModeTable(((10.0, 12.0),), by_clock=(SLOW, FAST))
PROBLEM = Problem((Device("d0", "gpu"),), (Variant("net", 128, 0.5, 50.0),), {"gpu": TABLE}, ())


@pytest.mark.parametrize(
    ("mode", "ratio"),
    [(Mode(0, 2), 1.0), (Mode(0, 2, 1200.0), 1.0), (Mode(0, 2, 400.0), 3.0), (Mode(0, 1, 400.0), 2.5)],
)  # fmt: skip
def test_a_plan_says_the_clock_and_how_much_longer_batches_take_at_it(mode, ratio):
    publication = Publication()
    assert publication.update(PROBLEM, Plan((DevicePlan.of("d0", mode),), {}), NOBODY)
    (order,) = publication.plan.orders
    assert (order.clock_mhz, order.clock_ratio) == (mode.clock_mhz, ratio)
    assert not publication.update(PROBLEM, Plan((DevicePlan.of("d0", mode),), {}), NOBODY)
    other = Plan((DevicePlan.of("d0", Mode(0, 2, 1200.0 if ratio > 1 else 400.0)),), {})
    assert publication.update(PROBLEM, other, NOBODY), "another clock is another plan"
