"""`server-independent`: the largest side that the link carries, whatever the server advises."""

from __future__ import annotations

from collections.abc import Sequence

from ..frame_sizes import FrameSize
from .port import Sending, Situation


class ServerIndependent:
    """Adapts the data alone: the largest side whose frames the link carries at their rate.

    Source: Jellyfish, the variant that ignores the server's advice.
    """

    def choose(self, situation: Situation) -> Sending:
        """See `Policy`."""
        return Sending(carried_sizes(situation)[-1], may_be_late=True)


def carried_sizes(situation: Situation) -> Sequence[FrameSize]:
    """The sizes that the link carries at the stream's rate, smallest first, that one always."""
    smallest, *larger = situation.sizes
    return [smallest, *(size for size in larger if situation.is_carried(situation.kbits(size)))]
