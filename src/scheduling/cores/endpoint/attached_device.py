"""A device as its endpoint sees it: the frames that it has, what it is working at, whether it speaks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ...device_silence import DeviceSilence
from .held_frame import HeldFrame


class Handed(NamedTuple):
    """A frame as it was sent to a device: it may be elsewhere by now.

    Attributes:
        is_alone: whether nothing else was to be decoded or run beside it there.
    """

    frame: HeldFrame
    is_alone: bool

    @property
    def stream_id(self) -> str:
        """Of its stream."""
        return self.frame.gate.stream_id


@dataclass(slots=True, eq=False)
class AttachedDevice:
    """One device that is there.

    Attributes:
        generation: rises with each start; what an older one says is not heard.
        silence: tells whether it hangs.
        is_crash: what its executor died of, where that is known before its end shows.
        held: the frames that are under way there, by ticket.
        gone: frames that were taken back from it, and that it may still be working at.
        given_up: frames that it gave up while it was still at them, as where a decoder does not come back.
    """

    device_id: str
    generation: int
    silence: DeviceSilence
    is_crash: bool | None = None
    held: dict[int, Handed] = field(default_factory=dict)
    gone: dict[int, Handed] = field(default_factory=dict)
    given_up: dict[int, Handed] = field(default_factory=dict)

    @property
    def earliest_deadline_ms(self) -> float:
        """Of the frames that it has; infinite if it has none."""
        return min((one.frame.deadline_ms for one in self.held.values()), default=math.inf)

    def at_work(self, tickets: Iterable[int]) -> dict[int, Handed]:
        """Those of its frames that have these tickets."""
        known = self.held | self.gone | self.given_up
        return {ticket: known[ticket] for ticket in tickets if ticket in known}


def safest_first(
    held: Mapping[int, Handed], at_work: Mapping[int, Handed]
) -> list[tuple[int, Handed]]:
    """Frames in the order in which they are moved: who was at work comes last, and whoever never ran well."""
    return sorted(
        held.items(), key=lambda item: (item[0] in at_work, -item[1].frame.gate.num_answered)
    )
