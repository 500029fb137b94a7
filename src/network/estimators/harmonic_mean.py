"""The harmonic mean of the last moments: of what frames showed, or of what clients say."""

from __future__ import annotations

from collections import deque

from ...core.checks import require_positive
from .point import PointEstimator, transmission_kbps
from .port import SentFrame


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
        require_positive("initial_kbps", initial_kbps)
        self._values: deque[tuple[float, float]] = deque([(float("-inf"), 1 / initial_kbps)])
        self._sum = 1 / initial_kbps  # of the inverses

    def add(self, now_ms: float, bandwidth_kbps: float) -> None:
        """Takes in a value above 0; times never fall."""
        require_positive("bandwidth_kbps", bandwidth_kbps)
        self._values.append((now_ms, 1 / bandwidth_kbps))
        self._sum += 1 / bandwidth_kbps
        self._forget(now_ms)

    def value_kbps(self, now_ms: float) -> float:
        """The harmonic mean of the values of the window."""
        self._forget(now_ms)
        return len(self._values) / self._sum

    def _forget(self, now_ms: float) -> None:
        if len(self._values) == 1 or self._values[0][0] >= now_ms - self._window_ms:
            return
        while len(self._values) > 1 and self._values[0][0] < now_ms - self._window_ms:
            self._values.popleft()
        self._sum = sum(inverse for _, inverse in self._values)  # anew: differences add up errors


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
