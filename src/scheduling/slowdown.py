"""How much slower a device is at the moment than its profile says."""

from __future__ import annotations

WEIGHT = 0.1
MOST = 4.0


class Slowdown:
    """Exponentially weighted mean of batch time over the profile's median, within [1, 4]."""

    def __init__(self) -> None:
        self._mean = 1.0

    @property
    def ratio(self) -> float:
        """At least 1: a device that is faster than its profile is not relied on."""
        return min(MOST, max(1.0, self._mean))

    def add(self, measured_ms: float, expected_ms: float) -> None:
        """Takes one batch; a single one counts for no more than the bound."""
        sample = min(MOST, measured_ms / expected_ms)
        self._mean += WEIGHT * (sample - self._mean)
