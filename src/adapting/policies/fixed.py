"""`fixed:SIDE`: every frame at one side."""

from __future__ import annotations

from .port import Sending, Situation


class FixedSide:
    """Sends the zoo's largest side up to a given one. Source: Jellyfish, the fixed-frame variant."""

    def __init__(self, side_px: int) -> None:
        """Prepares for one side (px), at least 1."""
        self.side_px = side_px

    def choose(self, situation: Situation) -> Sending:
        """See `Policy`."""
        sizes = [size for size in situation.sizes if size.side_px <= self.side_px]
        return Sending((sizes or situation.sizes[:1])[-1], may_be_late=True)
