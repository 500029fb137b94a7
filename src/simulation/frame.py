"""A simulated frame, from capture to verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.records import FrameRecord
from ..core.verdict import Drop, Verdict
from ..scheduling.cores.endpoint.held_frame import HeldFrame


@dataclass(eq=False, kw_only=True)
class SimulatedFrame(HeldFrame):
    """One captured frame, as camera and server know it; what comes later is filled in as it happens.

    Attributes:
        captured_ms: all times are those of the virtual clock.
        is_open: whether it has no verdict yet.
        waited_ms: for the link, before it was sent.
        network_ms: of frame and ack, as its camera measured.
    """

    stream_id: str
    captured_ms: float
    is_open: bool = field(default=True, init=False)
    waited_ms: float = field(default=0.0, init=False)
    jpeg_quality: int | None = field(default=None, init=False)
    sent_ms: float | None = field(default=None, init=False)
    network_ms: float | None = field(default=None, init=False)

    @property
    def drop(self) -> Drop | None:
        """Where and why the server gave it up; None if it did not."""
        return None if self.note is None else self.note.drop

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
            jpeg_bytes=None if self.sent_ms is None else self.num_bytes,
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
            decode_ms=self.decode_ms if is_answered else None,
            inference_ms=self.inference_ms if is_answered else None,
            server_ms=self.server_ms if is_answered else None,
            advised_side_px=self.advice.side_px if answered_ms is not None else None,
            plan_epoch=self.plan_epoch if answered_ms is not None else None,
            num_detections=0 if is_answered else None,
            jpeg_quality=self.jpeg_quality,
        )
