"""How much a planner may still do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class TimeLimit:
    """Until when deciding may go on, by a stopwatch that whoever has plans made holds.

    The one thing of the outside that planning looks at. A server's stopwatch runs while planners work, so that no plan
    holds up what else its process does; a simulator's stands still meanwhile, so that plans depend on the problem alone.

    Attributes:
        elapsed_ms: reads the stopwatch; never falls.
        until_ms: on it.
    """

    elapsed_ms: Callable[[], float] = lambda: 0.0
    until_ms: float = math.inf

    def start(self, budget_ms: float) -> None:
        """Gives so much time from now."""
        self.until_ms = self.elapsed_ms() + budget_ms

    @property
    def left_ms(self) -> float:
        """What is left; below 0 if it is over."""
        return self.until_ms - self.elapsed_ms()

    @property
    def is_up(self) -> bool:
        """Whether to stop."""
        return self.left_ms <= 0


@dataclass(slots=True)
class Effort:
    """Counts steps against a limit, and watches the time.

    Without a time limit nothing but the problem decides how far a planner gets.

    Attributes:
        steps: how many are left.
        limit: of the time.
    """

    steps: int
    limit: TimeLimit = field(default_factory=TimeLimit)

    def spend(self, steps: int = 1) -> None:
        """Takes note of work done."""
        self.steps -= steps

    def allows_ms(self, duration_ms: float) -> bool:
        """Whether something that cannot be stopped and takes that long fits into the time left."""
        return self.limit.left_ms >= duration_ms

    @property
    def is_spent(self) -> bool:
        """Whether to stop."""
        return self.steps <= 0 or self.limit.is_up
