"""What the server spends on a frame besides queueing and running it: on any frame, and on a stream's."""

from __future__ import annotations

import math

from ...core.limits import OVERHEAD_MS

FIRST_MS = 4.0  # until measured; the published start, of everything together
WEIGHT = 0.02
MOST_SURPRISE_MS = 20.0


class OverheadEstimate:
    """Exponentially weighted mean that a single slow frame hardly moves.

    The published weight of 0.5 lets one hiccup change everybody's budget; here one sample moves the
    estimate by at most 0.4 ms, and half of a lasting change is learned in 35 frames.
    """

    def __init__(self, first_ms: float = FIRST_MS) -> None:
        """Starts with a value that holds until frames were measured."""
        self.mean_ms = first_ms

    def add(self, sample_ms: float) -> None:
        """Takes what one frame cost; what cannot be counts as the nearest that can."""
        surprise_ms = OVERHEAD_MS.nearest(sample_ms) - self.mean_ms
        if not -MOST_SURPRISE_MS < surprise_ms < MOST_SURPRISE_MS:
            surprise_ms = math.copysign(MOST_SURPRISE_MS, surprise_ms)
        self.mean_ms += WEIGHT * surprise_ms
