"""A simulated frame, from capture to verdict."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.advice import NO_ADVICE, SideAdvice
from ..core.records import FrameRecord, ServerFrameRecord
from ..core.verdict import Drop, Verdict

BYTES_PER_KBIT = 125


@dataclass(slots=True, eq=False)
class SimulatedFrame:
    """One captured frame; what comes later is filled in as it happens.

    Attributes:
        captured_ms: all times are those of the virtual clock.
        is_open: whether it has no verdict yet.
        waited_ms: for the link, before it was sent.
        read_ms: when the server read it.
        way_ms: its time on the way there, as the server estimates it.
        deadline_ms: when its detections must leave the executor.
        handed_ms: when it was sent to its executor.
        queued_ms: when its executor had it.
        drop: where and why, if the server gave it up.
        advice: what came with its answer.
    """

    stream_id: str
    sequence: int
    captured_ms: float
    is_open: bool = True
    waited_ms: float = 0.0
    side_px: int | None = None
    jpeg_quality: int | None = None
    kbits: float = 0.0
    sent_ms: float | None = None
    bandwidth_kbps: float | None = None
    network_ms: float | None = None
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

    @property
    def jpeg_bytes(self) -> int:
        """Its encoded size."""
        return round(self.kbits * BYTES_PER_KBIT)

    def record(self, verdict: Verdict, drop: Drop | None, answered_ms: float | None) -> FrameRecord:
        """The frame's row of the log."""
        is_answered = verdict is not Verdict.DROPPED
        return FrameRecord(
            stream_id=self.stream_id,
            sequence=self.sequence,
            captured_ms=self.captured_ms,
            verdict=verdict,
            place="" if drop is None else drop.place,
            reason="" if drop is None else drop.reason,
            side_px=self.side_px,
            jpeg_bytes=None if self.sent_ms is None else self.jpeg_bytes,
            sent_ms=self.sent_ms,
            answered_ms=answered_ms,
            latency_ms=answered_ms - self.captured_ms
            if is_answered and answered_ms is not None
            else None,
            network_ms=self.network_ms,
            bandwidth_kbps=self.bandwidth_kbps,
            variant=self.variant if is_answered else "",
            batch_size=self.batch_size if is_answered else None,
            endpoint_ms=self.handed_ms - self.read_ms if is_answered else None,
            queue_ms=self.queue_ms if is_answered else None,
            decode_ms=0.0 if is_answered else None,
            inference_ms=self.inference_ms if is_answered else None,
            server_ms=self.server_ms if is_answered else None,
            advised_side_px=self.advice.side_px if answered_ms is not None else None,
            plan_epoch=self.plan_epoch if answered_ms is not None else None,
            num_detections=0 if is_answered else None,
            jpeg_quality=self.jpeg_quality,
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
