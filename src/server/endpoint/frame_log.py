"""`server_frames*.csv`: one row for each frame that reached this endpoint."""

from __future__ import annotations

from typing import Any

from ...core.records import ServerFrameRecord
from ...protos.serving_pb2 import Result
from ..run_log import RunLog
from .frame import ArrivedFrame, DropNote


class FrameLog:
    """Writes how frames ended, as the endpoint saw it."""

    def __init__(self, csv: RunLog[ServerFrameRecord]) -> None:
        self._csv = csv

    def answered(self, frame: ArrivedFrame, result: Result, now_ms: float) -> None:
        """Logs a frame that ran."""
        timings = result.timings
        self._csv.write(
            ServerFrameRecord(
                **_arrival(frame, now_ms),
                verdict="answered",
                device_id=frame.device_id,
                variant=result.variant,
                batch_size=result.batch_size,
                endpoint_ms=timings.endpoint_ms,
                queue_ms=timings.queue_ms,
                decode_ms=timings.decode_ms,
                inference_ms=timings.inference_ms,
                server_ms=timings.server_ms,
                advised_side_px=result.advised_side_px,
                plan_epoch=result.plan_epoch,
            )
        )

    def dropped(self, frame: ArrivedFrame, note: DropNote, plan_epoch: int, now_ms: float) -> None:
        """Logs a frame that was given up."""
        self._csv.write(
            ServerFrameRecord(
                **_arrival(frame, now_ms),
                verdict="dropped",
                place=note.place,
                reason=note.reason,
                device_id=frame.device_id,
                server_ms=now_ms - frame.read_ms,
                plan_epoch=plan_epoch,
            )
        )

    def flush(self) -> None:
        """Hands the rows to the operating system."""
        self._csv.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._csv.close()


def _arrival(frame: ArrivedFrame, now_ms: float) -> dict[str, Any]:
    session = frame.session
    return {
        "stream_id": session.stream_id,
        "session_number": session.number,
        "sequence": frame.sequence,
        "read_ms": frame.read_ms,
        "age_ms": frame.age_ms,
        "network_ms": frame.network_ms,
        "jpeg_bytes": frame.num_bytes,
        "side_px": frame.side_px,
        "bandwidth_kbps": frame.bandwidth_kbps,
        "planned_kbps": session.observed.planned_kbps(now_ms),
    }
