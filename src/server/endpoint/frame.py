"""A frame from its arrival at the endpoint to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.verdict import Place, Reason
from .problems import CODE_OF_REASON, Code

if TYPE_CHECKING:
    from .session import Session


@dataclass(slots=True, eq=False)
class ArrivedFrame:
    """One frame that was read from a stream, and what became of it.

    Attributes:
        read_ms: when it was read; all clocks are this machine's monotonic one.
        waited_ms: how long it lay unread before, as this process stood still.
        num_bytes: of the encoded picture.
        age_ms: from capture to sending, as the client says; 0 if it says what cannot be.
        bandwidth_kbps: the client's estimate in this frame; likewise.
        network_ms: estimated time on its way here.
        deadline_ms: when its detections must leave the executor.
        device_id: where it was sent; empty before.
        handed_ms: when it was sent there.
        was_moved: whether its first executor was lost, and it was sent to another.
        slot: of the frame memory; -1 without one.
    """

    session: Session
    sequence: int
    read_ms: float
    num_bytes: int
    side_px: int
    waited_ms: float = 0.0
    age_ms: float = 0.0
    bandwidth_kbps: float = 0.0
    network_ms: float = 0.0
    deadline_ms: float = 0.0
    crc32c: int = 0
    slot: int = -1
    slot_generation: int = 0
    device_id: str = ""
    handed_ms: float = 0.0
    was_moved: bool = False

    @property
    def arrived_ms(self) -> float:
        """When it could have been read."""
        return self.read_ms - self.waited_ms


@dataclass(frozen=True, slots=True)
class DropNote:
    """Why a frame was given up, with what the client is told.

    Attributes:
        decode_ms: what decoding it took; 0 if it was not decoded.
    """

    place: Place
    reason: Reason
    code: Code
    detail: str = ""
    decode_ms: float = 0.0


def drop(reason: Reason, detail: str) -> DropNote:
    """A frame given up at the endpoint."""
    return DropNote(Place.ENDPOINT, reason, CODE_OF_REASON[reason], detail)
