"""The published estimator: the error-based filter over round trips."""

from __future__ import annotations

from collections import deque

from .point import PointEstimator, transmission_kbps
from .port import SentFrame

_DECAY = 0.6
_HISTORY = 10
_SAME_MS = 1e-9


class ErrorBasedFilter:
    """Smooths samples while they agree and follows them at once when they jump.

    The weight of the past is one less the recent mean error over its recent maximum. Source: the
    error-based filter of Kim and Noble, MobiCom 2001, as used by Jellyfish, RTSS 2022. Equal samples,
    which have no error, leave the estimate as it is.
    """

    def __init__(self) -> None:
        self._estimate: float | None = None
        self._mean_error: float | None = None
        self._mean_errors: deque[float] = deque(maxlen=_HISTORY)

    def add(self, sample: float) -> float:
        """Takes a sample in and returns the estimate."""
        if self._estimate is None:
            self._estimate = sample
            return sample
        error = abs(self._estimate - sample)
        if self._mean_error is None:
            self._mean_error = error
        else:
            self._mean_error = _DECAY * self._mean_error + (1 - _DECAY) * error
        self._mean_errors.append(self._mean_error)
        largest = max(self._mean_errors)
        past = 1 - self._mean_error / largest if largest > _SAME_MS else 0.0
        self._estimate = past * self._estimate + (1 - past) * sample
        return self._estimate


class ErrorBasedEstimator(PointEstimator):
    """Filters the round trips of frames of one side by their error, then takes the wire delay off."""

    def __init__(self, initial_kbps: float, wire_ms: float = 0.0) -> None:
        super().__init__(initial_kbps, wire_ms)
        self._bandwidth_kbps = self._first_kbps
        self._filter = ErrorBasedFilter()
        self._side_px: int | None = None

    def bandwidth_kbps(self, now_ms: float, oldest: SentFrame | None = None) -> float:
        """The estimate after the newest frame."""
        return self._bandwidth_kbps

    def _take(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        if frame.side_px != self._side_px:
            self._side_px = frame.side_px
            self._filter = ErrorBasedFilter()
        smooth_ms = self._filter.add(net_ms)
        self._bandwidth_kbps = transmission_kbps(frame.kbits, smooth_ms, self.wire_ms)
