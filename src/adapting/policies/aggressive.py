"""`aggressive`: the advised side, or the smallest one at once."""

from __future__ import annotations

from .port import Sending, Situation


class AggressiveBackoff:
    """Falls to the smallest side as soon as the link does not carry the advised one at its rate.

    Source: Jellyfish, client backoff "aggressive".
    """

    def choose(self, situation: Situation) -> Sending:
        """See `Policy`."""
        advised = situation.advised_sizes()[-1]
        size = advised if situation.is_carried(situation.kbits(advised)) else situation.sizes[0]
        return Sending(size, may_be_late=True)
