"""What estimators without uncertainty have in common: one number, made of round trips."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ...core.checks import require_not_negative, require_positive
from .port import MAX_KBPS, SentFrame, between

WIRE_CONFIDENCE_RATIO = 0.9
"""Share of the wire delay that is trusted, so that a frame always took some time to send."""


class PointEstimator(ABC):
    """Holds a first guess and the wire delay, and checks what is observed."""

    def __init__(self, initial_kbps: float, wire_ms: float = 0.0) -> None:
        """Starts with a guess that holds until the first frame was acknowledged.

        Raises:
            ValueError: naming the argument that is out of range.
        """
        self.wire_ms = require_not_negative("wire_ms", wire_ms)
        self._first_kbps = between(require_positive("initial_kbps", initial_kbps))

    def observe(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        """Takes in one acknowledged frame."""
        require_positive("kbits", frame.kbits)
        # A server that says it held the ack too long makes the round trip negative.
        self._take(frame, require_not_negative("net_ms", max(0.0, net_ms)), now_ms)

    @abstractmethod
    def bandwidth_kbps(self, now_ms: float, oldest: SentFrame | None = None) -> float:
        """The newest estimate; a frame under way tells nothing before it was acknowledged."""

    @abstractmethod
    def _take(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        """Takes in a frame whose numbers are sound."""


def transmission_kbps(kbits: float, net_ms: float, wire_ms: float) -> float:
    """The rate at which a frame went through the link, `MIN_KBPS` to `MAX_KBPS`.

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
    return between(1000.0 * kbits / sending_ms)
