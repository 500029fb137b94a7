"""Ends frames: tells the client, counts, logs, and learns what the server itself costs."""

from __future__ import annotations

from collections.abc import Callable

from ...core.advice import NO_ADVICE, SideAdvice
from ...core.limits import OVERHEAD_MS
from ...core.verdict import Place
from ...protos import serving_pb2
from ...protos.internal_pb2 import FrameResult, FrameResults
from ...scheduling.plan_view import PlanView
from ...scheduling.streams.adviser import Adviser
from ...scheduling.streams.overhead import OverheadEstimate
from .failures import Failures
from .frame import ArrivedFrame, DropNote
from .frame_log import FrameLog
from .session import Session

RESULT_BYTES = 100
DETECTION_BYTES = 24
KBITS_PER_BYTE = 8 / 1000

_PLACES = {Place.ENDPOINT: serving_pb2.ENDPOINT, Place.EXECUTOR: serving_pb2.EXECUTOR}


class Answerer:
    """Writes the one result of each frame.

    Attributes:
        overhead: checks, and the ways between processes. Decoding counts for its stream alone.
    """

    def __init__(
        self,
        now_ms: Callable[[], float],
        plan: Callable[[], PlanView],
        adviser: Adviser,
        log: FrameLog | None,
    ) -> None:
        self.overhead = OverheadEstimate()
        self._now_ms = now_ms
        self._plan = plan
        self._adviser = adviser
        self._log = log
        self._failures = Failures()

    def answer(self, frame: ArrivedFrame, part: FrameResult, batch: FrameResults) -> None:
        """Sends what was found in a frame."""
        now_ms = self._now_ms()
        session = frame.session
        endpoint_ms, server_ms = frame.handed_ms - frame.read_ms, now_ms - frame.read_ms
        sides = self._sides(session, now_ms)
        result = session.outbox.add_result(frame.sequence)
        result.verdict = serving_pb2.ANSWERED
        result.detections.CopyFrom(part.detections)
        result.variant = batch.variant
        result.batch_size = batch.batch_size
        result.plan_epoch = batch.plan_epoch
        result.advised_side_px, result.served_side_px = sides.side_px, sides.served_px
        timings = result.timings
        timings.endpoint_ms = endpoint_ms
        timings.queue_ms = part.queue_ms
        timings.decode_ms = part.decode_ms
        timings.inference_ms = batch.inference_ms
        timings.server_ms = server_ms
        num_bytes = RESULT_BYTES + DETECTION_BYTES * len(part.detections.scores)
        session.observed.response_kbits = num_bytes * KBITS_PER_BYTE
        own_ms = server_ms - part.queue_ms - batch.inference_ms
        self.overhead.add(OVERHEAD_MS.nearest(own_ms))
        session.observed.decoding.add(OVERHEAD_MS.nearest(part.decode_ms))
        session.num_answered += 1
        session.under_way.discard(frame)
        if self._log is not None:
            self._log.answered(frame, result, now_ms)
        if session.is_leaving:
            session.close_when_done()

    def drop(self, frame: ArrivedFrame, note: DropNote) -> None:
        """Says that a frame was given up."""
        now_ms = self._now_ms()
        session = frame.session
        if note.decode_ms > 0:
            session.observed.decoding.add(OVERHEAD_MS.nearest(note.decode_ms))
        sides = self._sides(session, now_ms)
        result = session.outbox.add_result(frame.sequence)
        result.verdict = serving_pb2.DROPPED
        result.drop.place = _PLACES[note.place]
        result.drop.reason = note.reason
        result.drop.code = note.code
        result.drop.detail = note.detail
        result.plan_epoch = self._plan().epoch
        result.advised_side_px, result.served_side_px = sides.side_px, sides.served_px
        result.timings.server_ms = now_ms - frame.read_ms
        self._count_drop(frame, note, now_ms)

    def abandon(self, frame: ArrivedFrame, note: DropNote) -> None:
        """Ends a frame whose client is gone."""
        self._count_drop(frame, note, self._now_ms())

    def _sides(self, session: Session, now_ms: float) -> SideAdvice:
        """The newest advice; none if we fail, since the frame has to end all the same."""
        try:
            return self._adviser.sides(session.observed, now_ms)
        except Exception:  # noqa: BLE001 see above
            self._failures.note("advising a stream", now_ms)
            return NO_ADVICE

    def _count_drop(self, frame: ArrivedFrame, note: DropNote, now_ms: float) -> None:
        session = frame.session
        session.drops[note.place, note.reason] += 1
        session.under_way.discard(frame)
        if self._log is not None:
            self._log.dropped(frame, note, self._plan().epoch, now_ms)
        if session.is_leaving:
            session.close_when_done()
