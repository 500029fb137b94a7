"""`none`: the server's advice as it is."""

from __future__ import annotations

from .port import Sending, Situation


class AdvisedSide:
    """Sends what the server advised last. Source: Jellyfish without a client policy."""

    def choose(self, situation: Situation) -> Sending:
        """See `Policy`."""
        return Sending(situation.advised_sizes()[-1], may_be_late=True)
