"""The exponentially weighted moving average of what frames showed."""

from __future__ import annotations

from .point import PointEstimator, transmission_kbps
from .port import SentFrame

NEWEST_WEIGHT = 0.25


class EwmaEstimator(PointEstimator):
    """Exponentially weighted moving average of the rates at which frames went through the link."""

    def __init__(self, initial_kbps: float, wire_ms: float = 0.0) -> None:
        super().__init__(initial_kbps, wire_ms)
        self._bandwidth_kbps = self._first_kbps
        self._has_sample = False

    def bandwidth_kbps(self, now_ms: float, oldest: SentFrame | None = None) -> float:
        """The average up to the newest frame."""
        return self._bandwidth_kbps

    def _take(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        sample_kbps = transmission_kbps(frame.kbits, net_ms, self.wire_ms)
        weight = NEWEST_WEIGHT if self._has_sample else 1.0  # the first one replaces the guess
        self._bandwidth_kbps += weight * (sample_kbps - self._bandwidth_kbps)
        self._has_sample = True
