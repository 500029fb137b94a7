"""The harmonic mean of the last moments: of what frames showed, or of what clients say."""

from __future__ import annotations

import math
from collections import deque

from ...core.checks import require_positive
from ...core.limits import BANDWIDTH_KBPS
from .point import PointEstimator, transmission_kbps
from .port import SentFrame

_UNITS = 2.0**80
"""To 1: the inverse of any rate of a link is a whole number of such units, so a sum of them is never rounded."""


class HarmonicMeanWindow:
    """Harmonic mean of the values of the last moments; the newest value never gets too old.

    The harmonic mean is what counts for the time that frames take on the link. Values that no link can have
    count as the nearest that one can.
    """

    def __init__(self, initial_kbps: float, window_ms: float = 1000.0) -> None:
        """Starts with one value.

        Raises:
            ValueError: naming the argument that is out of range.
        """
        self._window_ms = require_positive("window_ms", window_ms)
        require_positive("initial_kbps", initial_kbps)
        self._values: deque[tuple[float, int]] = deque()  # when, and the inverse in units
        self._sum = (
            0  # of the inverses; whole, or the rounding of values that were forgotten would stay
        )
        self._value_kbps: float | None = None  # once it is known
        self.add(-math.inf, initial_kbps)

    def add(self, now_ms: float, bandwidth_kbps: float) -> None:
        """Takes in a value above 0; times never fall."""
        require_positive("bandwidth_kbps", bandwidth_kbps)
        inverse = int(_UNITS / BANDWIDTH_KBPS.nearest(bandwidth_kbps))
        self._values.append((now_ms, inverse))
        self._sum += inverse
        self._value_kbps = None
        if self._values[0][0] < now_ms - self._window_ms:
            self._forget(now_ms)

    def value_kbps(self, now_ms: float) -> float:
        """The harmonic mean of the values of the window."""
        if self._values[0][0] < now_ms - self._window_ms:
            self._forget(now_ms)
        if self._value_kbps is None:
            mean_kbps = len(self._values) / (self._sum / _UNITS)
            self._value_kbps = BANDWIDTH_KBPS.nearest(mean_kbps)
        return self._value_kbps

    def _forget(self, now_ms: float) -> None:
        values, oldest_ms = self._values, now_ms - self._window_ms
        while values[0][0] < oldest_ms and len(values) > 1:
            self._sum -= values.popleft()[1]
            self._value_kbps = None


class HarmonicMeanEstimator(PointEstimator):
    """Harmonic mean of the rates at which the frames of the last second went through the link."""

    def __init__(self, initial_kbps: float, wire_ms: float = 0.0) -> None:
        super().__init__(initial_kbps, wire_ms)
        self._window = HarmonicMeanWindow(self._first_kbps)

    def bandwidth_kbps(self, now_ms: float, oldest: SentFrame | None = None) -> float:
        """The harmonic mean over the last second."""
        return self._window.value_kbps(now_ms)

    def _take(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        self._window.add(now_ms, transmission_kbps(frame.kbits, net_ms, self.wire_ms))
