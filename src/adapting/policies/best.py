"""`best`: the largest side up to the advised one that the link carries, in time."""

from __future__ import annotations

from ...core.verdict import Reason
from .port import Sending, Situation


class BestBackoff:
    """Goes down from the advised side until the link carries the frames at their rate, in time.

    The smallest side need not be carried at the full rate: newer frames then replace older ones.
    Source: Jellyfish, client backoff "best". That a frame which would be late is not sent is ours.
    """

    def choose(self, situation: Situation) -> Sending | Reason:
        """See `Policy`."""
        sizes = situation.advised_sizes()
        for size in reversed(sizes):
            is_carried = situation.is_carried(situation.kbits(size)) or size is sizes[0]
            if (
                is_carried
                and situation.link.round_trip_ms(situation.kbits(size)) <= situation.left_ms
            ):
                return Sending(size)
        return Reason.LINK_TOO_SLOW
