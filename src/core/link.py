"""What lies between a client and the server, and what it makes of frames."""

from __future__ import annotations

import math

KBITS_PER_BYTE = 8 / 1000


def transmission_ms(kbits: float, bandwidth_kbps: float) -> float:
    """Until the last bit has left a link of that rate; infinite while it is down."""
    try:
        return 1000.0 * kbits / bandwidth_kbps
    except ZeroDivisionError:  # arrays say infinite by themselves
        return math.inf


class Link:
    """A link as it is estimated, or who is behind it. Times are infinite while it is down.

    All of it is plain arithmetic: arrays of links, frames and rates do as well as numbers.

    Attributes:
        bandwidth_kbps: rate of the uplink (1000 bit/s); 0 while it is down.
        wire_ms: one-way propagation delay.
    """

    __slots__ = ()
    bandwidth_kbps: float
    wire_ms: float

    def round_trip_ms(self, kbits: float) -> float:
        """Time on the network of a frame and its answer, which may count as more bits of the same link.

        Source: Jellyfish, network latency T.
        """
        return transmission_ms(kbits, self.bandwidth_kbps) + 2.0 * self.wire_ms

    def carries(self, kbits: float, fps: float) -> bool:
        """Whether frames of that size are carried strictly faster than they are made."""
        return self.bandwidth_kbps > fps * kbits
