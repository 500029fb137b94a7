"""Judges a frame that has just been read, and sends it on."""

from __future__ import annotations

import math
from collections.abc import Callable

import google_crc32c

from ...core.limits import MOST_AGE_MS
from ...core.verdict import Place, Reason
from ...protos.serving_pb2 import Frame
from ...scheduling.plan_view import PlanView
from ...scheduling.streams.intake import frame_limit, reason_to_drop
from ...scheduling.streams.stalls import StallWatch
from ...vision.jpeg import BadImageError, ImageRule, check_jpeg
from ..config import ServerConfig
from ..zoo import ServedZoo
from .answering import Answerer
from .dispatcher import Dispatcher
from .failures import Failures
from .frame import ArrivedFrame, DropNote, drop
from .problems import Code, SessionError
from .registration import link_problem
from .session import Session

KBITS_PER_BYTE = 8 / 1000


class Intake:
    """Takes frames: acknowledges at once, then refuses or dispatches.

    What is cheap comes first, and what is hopeless goes before its picture is looked at.
    """

    def __init__(
        self,
        config: ServerConfig,
        zoo: ServedZoo,
        plan: Callable[[], PlanView],
        now_ms: Callable[[], float],
        dispatcher: Dispatcher,
        answerer: Answerer,
        stalls: StallWatch,
    ) -> None:
        self.is_draining = False
        self._max_frame_bytes = config.max_frame_bytes
        self._max_waiting_frames = config.max_waiting_frames
        self._kbits = {variant.input_side_px: variant.frame_kbits for variant in zoo.variants}
        self._plan = plan
        self._now_ms = now_ms
        self._dispatcher = dispatcher
        self._answerer = answerer
        self._stalls = stalls
        self._failures = Failures()

    def take(self, session: Session, message: Frame, read_ms: float) -> None:
        """Takes one frame; its result, or its drop, follows in the session's outbox."""
        sequence = message.sequence
        waited_ms = session.backlog.waited_ms(sequence, read_ms, self._stalls.latest)
        session.outbox.add_ack(sequence, read_ms)
        jpeg = message.jpeg  # each access copies it
        frame = ArrivedFrame(
            session=session,
            sequence=sequence,
            read_ms=read_ms,
            num_bytes=len(jpeg),
            side_px=max(message.width_px, message.height_px),
            waited_ms=waited_ms,
        )
        session.num_arrived += 1
        try:
            note = self._judge(frame, message, jpeg)
        except Exception:  # noqa: BLE001 whatever it is, this frame ends and the stream goes on
            self._failures.note("judging a frame", read_ms)
            note = bad("the server failed on it", Code.INTERNAL)
        if note is not None:
            self._answerer.drop(frame, note)
            if note.reason is Reason.BAD_FRAME and session.bad_frames.add(read_ms):
                session.fail(SessionError(Code.INVALID_ARGUMENT, "too many bad frames in 10 s"))

    def _judge(self, frame: ArrivedFrame, message: Frame, jpeg: bytes) -> DropNote | None:
        """Dispatches a frame, or returns why it is given up."""
        session = frame.session
        note = self._check_order(frame) or self._check_fields(frame, message)
        if note is not None:
            return note
        self._learn(frame, message)
        if self.is_draining:
            return drop(Reason.DRAINING, "the server is shutting down")
        running = self._plan().serving(session.stream_id)
        limit = frame_limit(session.declared.fps, session.declared.slo_ms)
        reason = reason_to_drop(
            frame.deadline_ms - self._now_ms(),
            running,
            len(session.under_way),
            min(limit, self._max_waiting_frames),
        )
        if reason is not None:
            return drop(reason, self._detail(reason, session))
        note = _check_picture(frame, message, jpeg)
        if note is None and running is not None:
            note = self._dispatcher.dispatch(frame, jpeg, running.device_id)
        if note is None:
            session.under_way.add(frame)
        return note

    def _check_order(self, frame: ArrivedFrame) -> DropNote | None:
        session, sequence = frame.session, frame.sequence
        if sequence == session.last_sequence:
            return bad(f"sequence={sequence}: was sent before", Code.ALREADY_EXISTS)
        if sequence < session.last_sequence:
            return bad(f"sequence={sequence}: must be above {session.last_sequence}")
        session.last_sequence = sequence
        if session.policer.takes(frame.arrived_ms):
            return None
        if session.policer.is_incurable:
            session.fail(
                SessionError(
                    Code.RESOURCE_EXHAUSTED,
                    f"more than the declared {session.declared.fps:g} frames a second, for long",
                )
            )
        return drop(
            Reason.RATE_EXCEEDED, f"more than the declared {session.declared.fps:g} frames a second"
        )

    def _check_fields(self, frame: ArrivedFrame, message: Frame) -> DropNote | None:
        if not 0 <= message.age_ms < math.inf:
            return bad(f"age_ms={message.age_ms:g}: must be a number of at least 0")
        problem = link_problem(message.link)
        if problem:
            return bad(problem)
        if frame.num_bytes == 0:
            return bad("jpeg is empty")
        if frame.num_bytes > self._max_frame_bytes:
            return bad(
                f"jpeg of {frame.num_bytes} bytes: must be at most {self._max_frame_bytes}",
                Code.RESOURCE_EXHAUSTED,
            )
        if message.jpeg_bytes != frame.num_bytes:
            return bad(f"jpeg_bytes={message.jpeg_bytes}: jpeg holds {frame.num_bytes}")
        return None

    def _learn(self, frame: ArrivedFrame, message: Frame) -> None:
        """Takes in what the frame says of itself and of its stream's link; sets its deadline."""
        frame.age_ms = min(message.age_ms, MOST_AGE_MS)
        frame.bandwidth_kbps = message.link.bandwidth_kbps
        frame.network_ms, frame.deadline_ms = frame.session.observed.take_frame(
            frame.arrived_ms,
            frame.age_ms,
            frame.num_bytes * KBITS_PER_BYTE,
            self._kbits.get(frame.side_px),
            frame.bandwidth_kbps,
            message.link.wire_ms,
        )

    def _detail(self, reason: Reason, session: Session) -> str:
        """What the client is told about a frame that is not run."""
        if reason is Reason.TOO_LATE:
            return "could not be answered in time any more"
        if reason is Reason.NOT_PLACED:
            return f"plan {self._plan().epoch} serves this stream nowhere"
        return f"{len(session.under_way)} frames are under way"


def bad(detail: str, code: Code = Code.INVALID_ARGUMENT) -> DropNote:
    """A frame that breaks a rule."""
    return DropNote(Place.ENDPOINT, Reason.BAD_FRAME, code, detail)


def _check_picture(frame: ArrivedFrame, message: Frame, jpeg: bytes) -> DropNote | None:
    frame.crc32c = google_crc32c.value(jpeg)
    if frame.crc32c != message.jpeg_crc32c:
        return bad("jpeg_crc32c: does not fit the bytes of jpeg")
    try:
        header = check_jpeg(jpeg)
    except BadImageError as error:
        is_limit = error.rule is ImageRule.PIXELS
        return bad(f"jpeg: {error}", Code.RESOURCE_EXHAUSTED if is_limit else Code.INVALID_ARGUMENT)
    if (header.width_px, header.height_px) != (message.width_px, message.height_px):
        return bad(
            f"width_px={message.width_px}, height_px={message.height_px}: the jpeg is "
            f"{header.width_px} x {header.height_px}"
        )
    return None
