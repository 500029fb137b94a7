"""How much a planner may still do."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.clock import Clock


@dataclass(slots=True)
class Effort:
    """Counts steps against a limit, and watches a deadline if there is a clock.

    Without a clock nothing but the problem decides how far a planner gets.

    Attributes:
        steps: how many are left.
        clock: tells the time, or None.
        deadline_ms: on that clock.
    """

    steps: int
    clock: Clock | None = None
    deadline_ms: float = 0.0

    def spend(self, steps: int = 1) -> None:
        """Takes note of work done."""
        self.steps -= steps

    def allows_ms(self, duration_ms: float) -> bool:
        """Whether something that cannot be stopped and takes that long fits before the deadline."""
        return self.clock is None or self.clock.now_ms() + duration_ms <= self.deadline_ms

    @property
    def is_spent(self) -> bool:
        """Whether to stop."""
        return self.steps <= 0 or (
            self.clock is not None and self.clock.now_ms() >= self.deadline_ms
        )
