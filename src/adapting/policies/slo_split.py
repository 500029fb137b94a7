"""`slo-split`: the client has a quarter of the SLO for itself."""

from __future__ import annotations

from .port import Sending, Situation
from .server_independent import carried_sizes

CLIENT_RATIO = 0.25


class SloSplit:
    """The largest side that is carried and travels within the client's share of the SLO.

    The server has the rest of it, and both adapt apart. Source: Jellyfish, the SLO-aware variant; its
    time of travel leaves the answer out.
    """

    def choose(self, situation: Situation) -> Sending:
        """See `Policy`."""
        share_ms = CLIENT_RATIO * situation.slo_ms
        sizes = carried_sizes(situation)
        fitting = [
            size
            for size in sizes
            if situation.link.round_trip_ms(situation.kbits(size)) <= share_ms
        ]
        return Sending((fitting or sizes[:1])[-1], may_be_late=True)
