"""A simulated frame, from capture to verdict."""

from __future__ import annotations

from dataclasses import dataclass

from ..adapting.frames import OfferedFrame
from ..core.advice import NO_ADVICE, SideAdvice
from ..core.ledger import Outcome
from ..core.records import FrameRecord, ServerFrameRecord
from ..core.verdict import Drop, Verdict


@dataclass(slots=True, eq=False)
class SimulatedFrame(OfferedFrame):
    """One captured frame; what comes later is filled in as it happens. All times are those of the virtual clock.

    Attributes:
        stream_id: of its stream.
        read_ms: when the server read it.
        way_ms: its time on the way there, as the server estimates it.
        deadline_ms: when its detections must leave the executor.
        handed_ms: when it was sent to its executor.
        queued_ms: when its executor had it.
        drop: where and why, if the server gave it up.
        advice: what came with its answer.
    """

    stream_id: str = ""
    read_ms: float = 0.0
    way_ms: float = 0.0
    deadline_ms: float = 0.0
    device_id: str = ""
    handed_ms: float = 0.0
    queued_ms: float = 0.0
    drop: Drop | None = None
    variant: str = ""
    batch_size: int | None = None
    queue_ms: float | None = None
    inference_ms: float | None = None
    server_ms: float | None = None
    advice: SideAdvice = NO_ADVICE
    plan_epoch: int | None = None

    def record(self, outcome: Outcome) -> FrameRecord:
        """The frame's row of the log."""
        record = self.client_record(self.stream_id, outcome)
        if self.answered_ms is None:
            return record
        record = record._replace(advised_side_px=self.advice.side_px, plan_epoch=self.plan_epoch)
        if outcome.verdict is Verdict.DROPPED:
            return record
        return record._replace(
            variant=self.variant,
            batch_size=self.batch_size,
            endpoint_ms=self.handed_ms - self.read_ms,
            queue_ms=self.queue_ms,
            decode_ms=0.0,
            inference_ms=self.inference_ms,
            server_ms=self.server_ms,
            num_detections=0,
        )

    def server_record(self, planned_kbps: float) -> ServerFrameRecord:
        """The frame's row of the server's log; `planned_kbps` is what planning counts with."""
        is_answered = self.drop is None
        return ServerFrameRecord(
            stream_id=self.stream_id,
            session_number=1,
            sequence=self.sequence,
            read_ms=self.read_ms,
            age_ms=(self.sent_ms or 0.0) - self.captured_ms,
            network_ms=self.way_ms,
            jpeg_bytes=self.jpeg_bytes,
            side_px=self.side_px or 0,
            bandwidth_kbps=self.bandwidth_kbps or 0.0,
            planned_kbps=planned_kbps,
            verdict="answered" if is_answered else "dropped",
            place="" if self.drop is None else self.drop.place,
            reason="" if self.drop is None else self.drop.reason,
            device_id=self.device_id,
            variant=self.variant if is_answered else "",
            batch_size=self.batch_size if is_answered else None,
            endpoint_ms=self.handed_ms - self.read_ms if is_answered else None,
            queue_ms=self.queue_ms if is_answered else None,
            decode_ms=0.0 if is_answered else None,
            inference_ms=self.inference_ms if is_answered else None,
            server_ms=self.server_ms,
            advised_side_px=self.advice.side_px if is_answered else None,
            plan_epoch=self.plan_epoch,
        )
