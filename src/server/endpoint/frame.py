"""A frame with its picture."""

from __future__ import annotations

from dataclasses import dataclass

from ...scheduling.cores.endpoint.held_frame import HeldFrame


@dataclass(slots=True, eq=False, kw_only=True)
class ArrivedFrame(HeldFrame):
    """One frame that was read from a stream.

    Attributes:
        jpeg: its encoded picture; empty once it is in a slot.
        slot: of the frame memory; -1 without one.
    """

    jpeg: bytes
    slot: int = -1
    slot_generation: int = 0
