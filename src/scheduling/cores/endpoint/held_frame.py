"""A frame as an endpoint has it, from its arrival to its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from ....core.advice import NO_ADVICE, SideAdvice
from ....core.records import ServerFrameRecord
from .drop_notes import DropNote
from .gate import StreamGate

BYTES_PER_KBIT = 125


@dataclass(eq=False)
class HeldFrame:
    """One frame that arrived, and what became of it. Shells add what is theirs: its picture, its slot.

    Without slots, what has not happened yet takes no time to set up.

    Attributes:
        gate: of its stream.
        read_ms: when it was read; all times are on the endpoint's clock.
        side_px: of the encoded picture.
        kbits: likewise.
        crc32c: likewise, where the shell has worked it out.
        age_ms: from capture to sending, as the client says; 0 if it says what cannot be.
        bandwidth_kbps: the client's estimate in this frame; likewise.
        num_pixels: of its picture, as its client says, as far as that is possible.
        way_ms: its time on the way here, as estimated.
        deadline_ms: when its detections must leave the executor.
        ticket: its number at the device that has it; 0 while none has.
        is_alone: whether nothing else may be decoded or run beside it there.
        has_slot: whether it is in the frame memory.
        was_moved: whether its first device was lost, and it was sent to another.
        device_id: where it was sent; empty before.
        handed_ms: when it was sent there.
        queue_ms: from there to the start of its batch; `decode_ms` of that it was decoded.
        server_ms: from reading to its end.
        energy_mj: its share of its batch above idle; None where that is not known.
        note: why it was given up; None while it was not.
        advice: for its client, at its end.
    """

    gate: StreamGate = field(init=False)
    sequence: int
    read_ms: float = 0.0
    side_px: int | None = None
    kbits: float = 0.0
    age_ms: float = 0.0
    bandwidth_kbps: float | None = None
    num_pixels: int = 0
    crc32c: int = field(default=0, init=False)
    way_ms: float = field(default=0.0, init=False)
    deadline_ms: float = field(default=0.0, init=False)
    ticket: int = field(default=0, init=False)
    is_alone: bool = field(default=False, init=False)
    has_slot: bool = field(default=False, init=False)
    was_moved: bool = field(default=False, init=False)
    device_id: str = field(default="", init=False)
    handed_ms: float = field(default=0.0, init=False)
    variant: str = field(default="", init=False)
    batch_size: int | None = field(default=None, init=False)
    queue_ms: float = field(default=0.0, init=False)
    decode_ms: float = field(default=0.0, init=False)
    inference_ms: float = field(default=0.0, init=False)
    server_ms: float = field(default=0.0, init=False)
    note: DropNote | None = field(default=None, init=False)
    advice: SideAdvice = field(default=NO_ADVICE, init=False)
    plan_epoch: int | None = field(default=None, init=False)
    energy_mj: float | None = field(default=None, init=False)

    @property
    def num_bytes(self) -> int:
        """Its encoded size."""
        return round(self.kbits * BYTES_PER_KBIT)

    def server_record(self, now_ms: float) -> ServerFrameRecord:
        """Its row of the server's log, once it has ended."""
        note, gate = self.note, self.gate
        has_run = note is None
        return ServerFrameRecord(
            stream_id=gate.stream_id,
            session_number=gate.number,
            sequence=self.sequence,
            read_ms=self.read_ms,
            age_ms=self.age_ms,
            network_ms=self.way_ms,
            jpeg_bytes=self.num_bytes,
            side_px=self.side_px or 0,
            bandwidth_kbps=self.bandwidth_kbps or 0.0,
            planned_kbps=gate.observed.planned_kbps(now_ms),
            verdict="answered" if note is None else "dropped",
            place="" if note is None else note.drop.place,
            reason="" if note is None else note.drop.reason,
            device_id=self.device_id,
            variant=self.variant if has_run else "",
            batch_size=self.batch_size if has_run else None,
            endpoint_ms=self.handed_ms - self.read_ms if has_run else None,
            queue_ms=self.queue_ms if has_run else None,
            decode_ms=self.decode_ms if has_run else None,
            inference_ms=self.inference_ms if has_run else None,
            server_ms=self.server_ms,
            advised_side_px=self.advice.side_px if has_run else None,
            plan_epoch=self.plan_epoch,
            energy_mj=self.energy_mj,
        )
