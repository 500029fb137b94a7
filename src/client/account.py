"""The account of a stream: from captured frames to verdicts, log rows and answers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..core.addresses import mask_addresses
from ..core.ledger import Ledger, Outcome
from ..core.records import FrameRecord
from ..core.verdict import Drop, Place, Reason, Verdict, reason_named
from ..protos import serving_pb2 as pb
from ..vision.detections import Detections
from ..vision.preprocessing import Image
from .answers import Answer, detections_from_wire

_log = logging.getLogger(__name__)

_REMEMBERED = 256
_ANY_OUTCOME = Outcome(Verdict.LATE)
_PLACES = {pb.ENDPOINT: Place.ENDPOINT, pb.EXECUTOR: Place.EXECUTOR}


@dataclass(slots=True)
class CapturedFrame:
    """A frame without a verdict. What comes later is filled in as it becomes known.

    Attributes:
        sequence: its number.
        captured_ms: when it was captured, monotonic clock.
        image: the picture; taken away once encoded, unless the stream keeps images.
        link_ms: how long it has waited for the link.
        timer: gives the frame up when it fires.
        network_ms: round trip of frame and ack, less what the server held it.
    """

    sequence: int
    captured_ms: float
    image: Image | None
    link_ms: float = 0.0
    timer: asyncio.TimerHandle | None = None
    side_px: int | None = None
    jpeg_bytes: int | None = None
    jpeg_quality: int | None = None
    sent_ms: float | None = None
    network_ms: float | None = None
    bandwidth_kbps: float | None = None


class Account:
    """Gives each captured frame of a stream its one verdict.

    Attributes:
        ledger: the counts.
        num_late_answers: answers that came after the client had given their frame up; they are
            counted and not applied.
    """

    def __init__(
        self, stream_id: str, slo_ms: float, zero_ms: float, deliver: Callable[[Answer], None]
    ) -> None:
        """Starts empty.

        Args:
            stream_id: the stream.
            slo_ms: bound on capture to answer.
            zero_ms: time of the monotonic clock from which the log's times count.
            deliver: called with each answer.
        """
        self.ledger = Ledger()
        self.num_late_answers = 0
        self._stream_id = stream_id
        self._slo_ms = slo_ms
        self._zero_ms = zero_ms
        self._deliver = deliver
        self._open: dict[int, CapturedFrame] = {}
        self._given_up: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def num_open(self) -> int:
        """Frames without a verdict."""
        return len(self._open)

    def open_frames(self) -> list[CapturedFrame]:
        """The frames without a verdict, oldest first."""
        return list(self._open.values())

    def find(self, sequence: int) -> CapturedFrame | None:
        """The frame of that number, if it has no verdict yet."""
        return self._open.get(sequence)

    def capture(self, sequence: int, captured_ms: float, image: Image | None) -> CapturedFrame:
        """Enters a captured frame; sequences must rise."""
        self.ledger.open(sequence)
        frame = self._open[sequence] = CapturedFrame(sequence, captured_ms, image)
        return frame

    def give_up(self, frame: CapturedFrame, reason: Reason, detail: str = "") -> None:
        """Drops a frame at the client; does nothing if it has its verdict."""
        if frame.sequence not in self._open:
            return
        if frame.sent_ms is not None:
            self._given_up.append(frame.sequence)
        self._close(
            frame, Outcome(Verdict.DROPPED, Drop(Place.CLIENT, reason)), mask_addresses(detail)
        )

    def settle(self, result: pb.Result, now_ms: float) -> None:
        """Applies what the server said about a frame.

        A server that is newer may say words that are not known here: they become `other`, and are kept in
        the detail.

        Raises:
            ValueError: if it says what cannot be: broken detections, or a frame that was never sent.
            LedgerError: if it names a frame that was never captured.
        """
        frame = self._open.get(result.sequence)
        if frame is None:
            self._settle_again(result.sequence)
            return
        if frame.sent_ms is None:
            raise ValueError(f"sequence={result.sequence}: answered but never sent")
        if result.verdict == pb.ANSWERED:
            detections = detections_from_wire(result.detections)
            is_in_time = now_ms - frame.captured_ms <= self._slo_ms
            verdict = Verdict.IN_TIME if is_in_time else Verdict.LATE
            self._close(frame, Outcome(verdict), "", result, now_ms, detections)
        else:
            drop, detail = _drop_told(result)
            self._close(frame, Outcome(Verdict.DROPPED, drop), detail, result, now_ms)

    def _settle_again(self, sequence: int) -> None:
        """Counts an answer to a frame that has its verdict."""
        if sequence in self._given_up:
            self._given_up.remove(sequence)
            self.num_late_answers += 1
        else:
            self.ledger.close(sequence, _ANY_OUTCOME)  # counts it, or raises
            _log.warning("%s: sequence %d: answered twice", self._stream_id, sequence)

    def _close(
        self,
        frame: CapturedFrame,
        outcome: Outcome,
        detail: str = "",
        result: pb.Result | None = None,
        now_ms: float | None = None,
        detections: Detections | None = None,
    ) -> None:
        del self._open[frame.sequence]
        if frame.timer is not None:
            frame.timer.cancel()
        self.ledger.close(frame.sequence, outcome)
        record = self._record(frame, outcome, result, now_ms, detections)
        self._deliver(
            Answer(
                stream_id=self._stream_id,
                sequence=frame.sequence,
                verdict=outcome.verdict,
                drop=outcome.drop,
                detail=detail,
                detections=detections,
                latency_ms=record.latency_ms,
                record=record,
                image=frame.image,
            )
        )

    def _record(
        self,
        frame: CapturedFrame,
        outcome: Outcome,
        result: pb.Result | None,
        now_ms: float | None,
        detections: Detections | None,
    ) -> FrameRecord:
        """The frame's row of the log."""
        is_answered = detections is not None
        timings = result.timings if is_answered and result is not None else None
        return FrameRecord(
            stream_id=self._stream_id,
            sequence=frame.sequence,
            captured_ms=frame.captured_ms - self._zero_ms,
            verdict=outcome.verdict,
            place="" if outcome.drop is None else outcome.drop.place,
            reason="" if outcome.drop is None else outcome.drop.reason,
            side_px=frame.side_px,
            jpeg_bytes=frame.jpeg_bytes,
            sent_ms=None if frame.sent_ms is None else frame.sent_ms - self._zero_ms,
            answered_ms=None if now_ms is None else now_ms - self._zero_ms,
            latency_ms=now_ms - frame.captured_ms if is_answered and now_ms is not None else None,
            network_ms=frame.network_ms,
            bandwidth_kbps=frame.bandwidth_kbps,
            variant="" if result is None else result.variant,
            batch_size=result.batch_size if is_answered and result is not None else None,
            endpoint_ms=None if timings is None else timings.endpoint_ms,
            queue_ms=None if timings is None else timings.queue_ms,
            decode_ms=None if timings is None else timings.decode_ms,
            inference_ms=None if timings is None else timings.inference_ms,
            server_ms=None if timings is None else timings.server_ms,
            advised_side_px=None if result is None else result.advised_side_px,
            plan_epoch=None if result is None else result.plan_epoch,
            num_detections=None if detections is None else len(detections),
            jpeg_quality=frame.jpeg_quality,
        )


def _drop_told(result: pb.Result) -> tuple[Drop, str]:
    """Why the server gave a frame up, and its words about that.

    What says neither that the frame was answered nor that it was dropped has no detections that could be used, so
    it counts as dropped.
    """
    drop = result.drop
    reason, detail = reason_named(drop.reason, drop.detail)
    unknown = []
    if result.verdict != pb.DROPPED:
        unknown.append(f"verdict {result.verdict}")
    if drop.place not in _PLACES:
        unknown.append(f"place {drop.place}")
    words = [*unknown, detail] if detail else unknown
    return Drop(_PLACES.get(drop.place, Place.OTHER), reason), ": ".join(words)
