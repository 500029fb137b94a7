"""A frame with its picture."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...scheduling.cores.endpoint.held_frame import HeldFrame


@dataclass(eq=False, kw_only=True)
class ArrivedFrame(HeldFrame):
    """One frame that was read from a stream.

    Attributes:
        jpeg: its encoded picture; empty once it is in a slot.
        slot: of the frame memory; -1 without one.
    """

    jpeg: bytes
    slot: int = field(default=-1, init=False)
    slot_generation: int = field(default=0, init=False)
