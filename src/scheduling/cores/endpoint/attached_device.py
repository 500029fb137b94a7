"""A device as its endpoint sees it: the frames that it has, what it is working at, whether it still works.

Deaths show by themselves; hangs are judged from the frames that a device holds. One that works says of every frame,
at its deadline and a batch at the latest, what became of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from .held_frame import HeldFrame

PATIENCE_MS = 200.0
"""A frame that is overdue by that much and a batch tells of a hang, where nothing else came back either."""


@dataclass(slots=True)
class Handed:
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
        heard_ms: when something was heard of it, or we could not hear it.
        is_silent: whether it is as good as lost, until something is heard of it.
        is_crash: what its executor died of, where that is known before its end shows.
        held: the frames that are under way there, by ticket.
        gone: frames that were taken back from it, and that it may still be working at.
        given_up: frames that it gave up while it was still at them, as where a decoder does not come back.
    """

    device_id: str
    generation: int
    heard_ms: float
    is_silent: bool = False
    is_crash: bool | None = None
    held: dict[int, Handed] = field(default_factory=dict)
    gone: dict[int, Handed] = field(default_factory=dict)
    given_up: dict[int, Handed] = field(default_factory=dict)

    def heard(self, now_ms: float) -> bool:
        """Something is heard of it; returns whether it was silent before."""
        was_silent, self.is_silent = self.is_silent, False
        self.heard_ms = now_ms
        return was_silent

    def has_fallen_silent(self, now_ms: float, batch_ms: float) -> bool:
        """Whether it has just now; planning counts `batch_ms` for one of its batches."""
        earliest_ms = min((one.frame.deadline_ms for one in self.held.values()), default=math.inf)
        if self.is_silent or now_ms < max(earliest_ms, self.heard_ms) + batch_ms + PATIENCE_MS:
            return False
        self.is_silent = True
        return True

    def at_work(self, tickets: Iterable[int]) -> dict[int, Handed]:
        """Those of its frames that have these tickets."""
        known = self.held | self.gone | self.given_up
        return {ticket: known[ticket] for ticket in tickets if ticket in known}
