"""Bandwidth estimators: from the round trips of frames and their acks to the rate of the uplink."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ..core.checks import require_not_negative, require_positive

MAX_KBPS = 1_000_000.0
"""Estimates are capped here: an ack at once tells that the link is fast, not how fast."""

WIRE_CONFIDENCE_RATIO = 0.9
"""Share of the wire delay that is trusted, so that a frame always took some time to send."""

_DECAY = 0.6
_HISTORY = 10
_SAME_MS = 1e-9


class BandwidthEstimator(Protocol):
    """Tells the rate of an uplink from the frames that were acknowledged.

    Estimates are finite, above 0 and at most `MAX_KBPS`, whatever was observed.

    Attributes:
        wire_ms: one-way propagation delay that the estimator takes off; may be set at any time.
    """

    wire_ms: float

    def observe(self, kbits: float, net_ms: float, side_px: int, now_ms: float) -> None:
        """Takes in one acknowledged frame.

        Args:
            kbits: encoded size of the frame.
            net_ms: from handing it to the transport until its ack was there, less what the server
                held it; one clock each, so no two clocks are compared.
            side_px: side of the frame; estimators that smooth start anew when it changes.
            now_ms: when the ack came; never falls.
        """
        ...

    def bandwidth_kbps(self, now_ms: float) -> float:
        """The newest estimate (1000 bit/s)."""
        ...


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


def transmission_kbps(kbits: float, net_ms: float, wire_ms: float) -> float:
    """The rate at which a frame went through the link, above 0 and at most `MAX_KBPS`.

    The round trip of frame and ack holds the wire delay twice. (Jellyfish takes it off once, which on a
    link of 20 ms doubles the transmission time of a small frame.)

    Args:
        kbits: size of the frame.
        net_ms: round trip of frame and ack.
        wire_ms: one-way propagation delay; less is taken off where it exceeds half the round trip.
    """
    there_and_back_ms = min(2 * wire_ms, net_ms)
    sending_ms = net_ms - WIRE_CONFIDENCE_RATIO * there_and_back_ms
    if sending_ms <= 1000.0 * kbits / MAX_KBPS:
        return MAX_KBPS
    return 1000.0 * kbits / sending_ms


def _not_negative_ms(net_ms: float) -> float:
    """A measured round trip; a server that says it held the ack too long makes it negative."""
    return require_not_negative("net_ms", max(0.0, net_ms))


class ErrorBasedEstimator:
    """Filters the round trips of frames of one side by their error, then takes the wire delay off."""

    def __init__(self, initial_kbps: float, wire_ms: float = 0.0) -> None:
        """Starts with a guess that holds until the first frame was acknowledged.

        Raises:
            ValueError: naming the argument that is out of range.
        """
        self.wire_ms = require_not_negative("wire_ms", wire_ms)
        self._bandwidth_kbps = require_positive("initial_kbps", initial_kbps, MAX_KBPS)
        self._filter = ErrorBasedFilter()
        self._side_px: int | None = None

    def observe(self, kbits: float, net_ms: float, side_px: int, now_ms: float) -> None:
        """Takes in one acknowledged frame; the time is not used."""
        require_positive("kbits", kbits)
        net_ms = _not_negative_ms(net_ms)
        if side_px != self._side_px:
            self._side_px = side_px
            self._filter = ErrorBasedFilter()
        smooth_ms = self._filter.add(net_ms)
        self._bandwidth_kbps = transmission_kbps(kbits, smooth_ms, self.wire_ms)

    def bandwidth_kbps(self, now_ms: float) -> float:
        """The estimate after the newest frame."""
        return self._bandwidth_kbps


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


class HarmonicMeanEstimator:
    """Harmonic mean of the rates at which the frames of the last second went through the link."""

    def __init__(self, initial_kbps: float, wire_ms: float = 0.0) -> None:
        """Starts with a guess that holds until the first frame was acknowledged.

        Raises:
            ValueError: naming the argument that is out of range.
        """
        self.wire_ms = require_not_negative("wire_ms", wire_ms)
        require_positive("initial_kbps", initial_kbps, MAX_KBPS)
        self._window = HarmonicMeanWindow(initial_kbps)

    def observe(self, kbits: float, net_ms: float, side_px: int, now_ms: float) -> None:
        """Takes in one acknowledged frame, of any side."""
        require_positive("kbits", kbits)
        net_ms = _not_negative_ms(net_ms)
        self._window.add(now_ms, transmission_kbps(kbits, net_ms, self.wire_ms))

    def bandwidth_kbps(self, now_ms: float) -> float:
        """The harmonic mean over the last second."""
        return self._window.value_kbps(now_ms)
