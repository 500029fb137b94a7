"""When a camera that was lost is opened again, and when it is given up. No clock, no camera."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_WAIT_MS = 250.0
LONGEST_WAIT_MS = 5000.0


@dataclass(slots=True)
class Reopening:
    """Waits longer from time to time, until there is a picture again or the limit is reached.

    Attributes:
        give_up_after_ms: how long a camera may be lost.
        lost_ms: since when it is; None while it is not.
        num_tries: how often it was opened since then.
    """

    give_up_after_ms: float
    lost_ms: float | None = None
    num_tries: int = 0

    def on_loss(self, now_ms: float) -> float | None:
        """Returns how long to wait before opening it (once more); None to give it up."""
        if self.lost_ms is None:
            self.lost_ms = now_ms
        left_ms = self.lost_ms + self.give_up_after_ms - now_ms
        if left_ms <= 0:
            return None
        wait_ms = min(FIRST_WAIT_MS * 2.0 ** min(self.num_tries, 16), LONGEST_WAIT_MS, left_ms)
        self.num_tries += 1
        return wait_ms

    def on_picture(self, now_ms: float) -> float | None:
        """Returns how long it was lost; None if it was not."""
        if self.lost_ms is None:
            return None
        lost_for_ms = now_ms - self.lost_ms
        self.lost_ms, self.num_tries = None, 0
        return lost_for_ms
