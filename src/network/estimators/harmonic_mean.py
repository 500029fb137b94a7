"""The harmonic mean of the last moments: of what frames showed, or of what clients say."""

from __future__ import annotations

from collections import deque

from ...core.checks import require_positive
from .point import PointEstimator, transmission_kbps
from .port import SentFrame

_ONE = 2**80  # inverses are kept in units of 1 / _ONE: whole numbers add up without an error


class HarmonicMeanWindow:
    """Harmonic mean of the values of the last moments; the newest value never gets too old.

    The harmonic mean is what counts for the time that frames take on the link.
    """

    def __init__(self, initial_kbps: float, window_ms: float = 1000.0) -> None:
        """Starts with one value.

        Raises:
            ValueError: naming the argument that is out of range.
        """
        self._window_ms = require_positive("window_ms", window_ms)
        inverse = _inverse(require_positive("initial_kbps", initial_kbps))
        self._inverses: deque[tuple[float, int]] = deque([(float("-inf"), inverse)])
        self._sum = inverse

    def add(self, now_ms: float, bandwidth_kbps: float) -> None:
        """Takes in a value above 0; times never fall."""
        inverse = _inverse(require_positive("bandwidth_kbps", bandwidth_kbps))
        self._inverses.append((now_ms, inverse))
        self._sum += inverse
        self._forget(now_ms)

    def value_kbps(self, now_ms: float) -> float:
        """The harmonic mean of the values of the window."""
        self._forget(now_ms)
        return len(self._inverses) * _ONE / self._sum

    def _forget(self, now_ms: float) -> None:
        inverses, oldest_ms = self._inverses, now_ms - self._window_ms
        while inverses[0][0] < oldest_ms and len(inverses) > 1:
            self._sum -= inverses.popleft()[1]


def _inverse(value: float) -> int:
    return max(1, int(_ONE / value))


class HarmonicMeanEstimator(PointEstimator):
    """Harmonic mean of the rates at which the frames of the last second went through the link."""

    def __init__(self, initial_kbps: float, wire_ms: float = 0.0) -> None:
        super().__init__(initial_kbps, wire_ms)
        self._window = HarmonicMeanWindow(initial_kbps)

    def bandwidth_kbps(self, now_ms: float, oldest: SentFrame | None = None) -> float:
        """The harmonic mean over the last second."""
        return self._window.value_kbps(now_ms)

    def _take(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        self._window.add(now_ms, transmission_kbps(frame.kbits, net_ms, self.wire_ms))
