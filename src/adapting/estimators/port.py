"""What every bandwidth estimator is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...core.limits import BANDWIDTH_KBPS

MIN_KBPS = BANDWIDTH_KBPS.least
MAX_KBPS = 1_000_000.0
"""Estimates are capped here: an ack at once tells that the link is fast, not how fast."""


def between(bandwidth_kbps: float) -> float:
    """The estimate that is nearest to a rate."""
    if bandwidth_kbps < MIN_KBPS:
        return MIN_KBPS
    return bandwidth_kbps if bandwidth_kbps < MAX_KBPS else MAX_KBPS


@dataclass(slots=True)
class SentFrame:
    """A frame that was handed to the transport.

    Attributes:
        sequence: its number; rises from frame to frame.
        side_px: its side.
        kbits: its encoded size.
        sent_ms: when it was handed over.
    """

    sequence: int
    side_px: int
    kbits: float
    sent_ms: float


class BandwidthEstimator(Protocol):
    """Tells the rate of an uplink from the frames that were acknowledged.

    Estimates are `MIN_KBPS` to `MAX_KBPS`, whatever was guessed and observed. Times are those of one
    monotonic clock, and never fall from call to call.

    Attributes:
        wire_ms: one-way propagation delay that the estimator takes off; may be set at any time.
    """

    wire_ms: float

    def observe(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        """Takes in one acknowledged frame; acks come in the order in which frames were sent.

        Args:
            frame: what was sent.
            net_ms: from handing it to the transport until its ack was there, less what the server
                held it; one clock each, so no two clocks are compared.
            now_ms: when the ack came.

        Raises:
            ValueError: if the size is not above 0, or a number is not finite.
        """
        ...

    def bandwidth_kbps(self, now_ms: float, oldest: SentFrame | None = None) -> float:
        """The newest estimate (1000 bit/s).

        Args:
            now_ms: the time.
            oldest: the oldest frame that is under way, if one is: how long it has been is evidence.
        """
        ...
