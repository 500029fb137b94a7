"""A simulated frame, from capture to verdict."""

from __future__ import annotations

from ..adapting.frames import OfferedFrame
from ..core.ledger import Outcome
from ..core.records import FrameRecord
from ..core.verdict import Verdict
from ..scheduling.cores.endpoint.held_frame import HeldFrame


class SimulatedFrame(HeldFrame, OfferedFrame):
    """One captured frame, as camera and server know it. All times are those of the virtual clock.

    Of those that are answered fewer than 30 attributes are ever set: up to there Python keeps them side by
    side, and beyond it makes a dictionary of each frame, which takes twice as long.
    """

    def __init__(self, stream_id: str, sequence: int, captured_ms: float) -> None:
        """Starts when it is captured; the rest is as both of them begin."""
        self.stream_id = stream_id
        self.sequence = sequence
        self.captured_ms = captured_ms

    def record(self, outcome: Outcome) -> FrameRecord:
        """The frame's row of the log."""
        record = self.client_record(self.stream_id, outcome)
        if self.answered_ms is None:
            return record
        if outcome.verdict is Verdict.DROPPED:
            return record._replace(advised_side_px=self.advice.side_px, plan_epoch=self.plan_epoch)
        return record._replace(
            advised_side_px=self.advice.side_px,
            plan_epoch=self.plan_epoch,
            variant=self.variant,
            batch_size=self.batch_size,
            endpoint_ms=self.handed_ms - self.read_ms,
            queue_ms=self.queue_ms,
            decode_ms=self.decode_ms,
            inference_ms=self.inference_ms,
            server_ms=self.server_ms,
            num_detections=0,
            energy_mj=self.energy_mj,
        )
