"""What the endpoint does, without gRPC: sessions, frames, and the talk with scheduler and executors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ...core.records import ServerFrameRecord
from ...core.verdict import Reason
from ...network.frame_sizes import frame_sizes
from ...protos.internal_pb2 import FrameResult, FrameResults
from ...protos.serving_pb2 import (
    Frame,
    InputSize,
    JpegQuality,
    Notice,
    Refusal,
    RegisterReply,
    RegisterRequest,
    Zoo,
)
from ...scheduling.advising import Adviser
from ...scheduling.pacing import REPORTS_PER_PLAN, URGENT_GAP_MS
from ...scheduling.plan_view import PlanView
from ...scheduling.running import RunningPlan
from ...scheduling.slots import slots_needed
from ...scheduling.stalls import TICK_MS, StallWatch
from ..config import ServerConfig
from ..run_log import open_log
from ..zoo import ServedZoo
from .answering import Answerer
from .dispatcher import Dispatcher
from .frame import ArrivedFrame, DropNote, drop
from .frame_log import FrameLog
from .intake import Intake
from .problems import Code, Refused, SessionError
from .registration import Registration, check_registration
from .scheduler_link import SchedulerLink
from .session import Session
from .sessions import Sessions

WRITE_LIMIT_MS = 10_000.0
WATCH_LATE_MS = 500.0
DRAIN_NOTICE_S = 0.2  # frames that were on their way when the notice went out still get an answer
DRAIN_STEP_S = 0.02
RETRY_AFTER_MS = 1000.0

_log = logging.getLogger(__name__)


class Endpoint:
    """Holds streams from registration to end."""

    def __init__(
        self,
        config: ServerConfig,
        zoo: ServedZoo,
        now_ms: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        """Starts with nothing attached.

        Args:
            config: the server's options.
            zoo: what is served.
            now_ms: the monotonic clock.
            on_change: called when the scheduler or an executor comes or goes.
        """
        self.is_draining = False
        self.sessions = Sessions()
        self.scheduler = SchedulerLink(zoo, self._scheduler_changed)
        self.dispatcher = Dispatcher(
            self._plan,
            now_ms,
            self._frame_answered,
            self._frame_dropped,
            self._end_poisonous,
            self._devices_changed,
        )
        self._config = config
        self._zoo = zoo
        self.now_ms = now_ms
        self._on_change = on_change
        csv = open_log(config.out_dir, "server_frames", ServerFrameRecord)
        self._frames = FrameLog(csv) if csv is not None else None
        adviser = Adviser(zoo.variants, self._plan, self._overhead_ms)
        self._adviser = adviser
        self._answerer = Answerer(now_ms, self._plan, adviser, self._frames)
        self._stalls = StallWatch(now_ms())
        self._intake = Intake(
            config, zoo, self._plan, now_ms, self.dispatcher, self._answerer, self._stalls
        )
        self._variant_index = {variant.name: k for k, variant in enumerate(zoo.variants)}
        self._running = RunningPlan(
            lambda device_id, variant: zoo.latency(device_id, zoo.variants[variant].name)
        )
        self._silent_devices: list[str] = []
        self._has_sessions = asyncio.Event()
        self._num_joining = 0
        self._wake = asyncio.Event()
        self._is_urgent = False

    async def register(self, request: RegisterRequest) -> RegisterReply:
        """Gives one stream a place.

        Raises:
            SessionError: if a value is bad, or the server cannot answer now.
            Refused: if it does not fit.
        """
        if self.is_draining:
            raise SessionError(Code.UNAVAILABLE, "the server is shutting down")
        declared = check_registration(request, self._zoo.name)
        older = self.sessions.find_stream(declared.stream_id)
        if older is None and len(self.sessions) + self._num_joining >= self._config.max_sessions:
            raise Refused(
                Refusal(
                    reason=Refusal.SESSION_LIMIT,
                    detail=f"{self._config.max_sessions} streams are registered already",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            )
        self._num_joining += 1
        try:
            session = await self._join(declared)
        finally:
            self._num_joining -= 1
        sides = self._adviser.sides(session.observed, self.now_ms())
        return RegisterReply(
            session=session.token,
            zoo=self._describe_zoo(),
            advised_side_px=sides.side_px,
            served_side_px=sides.served_px,
            plan_epoch=self.scheduler.plan.epoch,
        )

    async def _join(self, declared: Registration) -> Session:
        now_ms = self.now_ms()
        session = self.sessions.make(declared, self._config.rate_tolerance_ratio, now_ms)
        reply = await self.scheduler.join(session.state(now_ms), 2 * self._config.plan_period_ms)
        if not reply.is_accepted:
            raise Refused(reply.refusal)
        self._check_slots(session)
        if self.is_draining:
            raise SessionError(Code.UNAVAILABLE, "the server is shutting down")
        older = self.sessions.find_stream(declared.stream_id)
        if older is not None:
            self._forget(older)
            older.fail(SessionError(Code.ABORTED, "the stream was registered again"))
        self.sessions.add(session)
        self._has_sessions.set()
        self._wake.set()
        return session

    def open(self, token: str) -> Session:
        """Opens a registered session.

        Raises:
            SessionError: if there is none, or it is open already.
        """
        session = self.sessions.open(token, self.now_ms())
        if self.is_draining:
            session.outbox.add_notice(Notice.DRAINING, "the server is shutting down")
        return session

    def take_frame(self, session: Session, message: Frame) -> None:
        """Takes one frame that was just read."""
        was_silent = session.observed.is_silent(read_ms := self.now_ms())
        self._stalls.look(read_ms)
        self._intake.take(session, message, read_ms)
        if was_silent:
            self.report(is_urgent=True)

    def take_unknown(self, session: Session) -> None:
        """Takes a message that holds nothing known here."""
        session.outbox.add_notice(Notice.BAD_MESSAGE, "a message held nothing that is known here")
        if session.bad_frames.add(self.now_ms()):
            session.fail(SessionError(Code.INVALID_ARGUMENT, "too many bad messages in 10 s"))

    def take_goodbye(self, session: Session) -> None:
        """The client leaves politely: what is under way is answered, then the call ends."""
        session.is_leaving = True
        session.close_when_done()

    def close(self, session: Session) -> None:
        """The call of a session is over, in whatever way; frees all it held, at once."""
        session.outbox.close()
        self._forget(session)
        self._account(session)

    def report(self, *, is_urgent: bool = False) -> None:
        """Sends the scheduler a snapshot soon."""
        self._is_urgent = self._is_urgent or is_urgent
        self._wake.set()

    async def watch(self) -> None:
        """Looks after the sessions, and tells the scheduler how they fare, until cancelled.

        Sleeps while there is nothing to look after.
        """
        period_s = self._config.plan_period_ms / REPORTS_PER_PLAN / 1000
        due_ms = self.now_ms()
        while True:
            try:
                async with asyncio.timeout(period_s if len(self.sessions) else None):
                    await self._wake.wait()
            except TimeoutError:
                self._look_after(late_ms=self.now_ms() - due_ms)
            if self._wake.is_set():
                await asyncio.sleep(URGENT_GAP_MS / 1000)
            self._wake.clear()
            now_ms = self.now_ms()
            is_urgent = self._is_urgent or any(
                one.observed.has_jumped(now_ms) for one in self.sessions
            )
            self._is_urgent = False
            states = [session.state(now_ms) for session in self.sessions]
            self.scheduler.send_snapshot(
                states,
                self._overhead_ms(),
                is_urgent=is_urgent,
                silent_devices=self.dispatcher.silent_devices,
            )
            due_ms = now_ms + 1000.0 * period_s

    async def tend(self) -> None:
        """Notices stalls of this process, and what is overdue at devices, until cancelled.

        Sleeps while there are no streams.
        """
        known = self._stalls.latest
        while True:
            if not len(self.sessions):
                self._has_sessions.clear()
                await self._has_sessions.wait()
                self._stalls.restart(self.now_ms())
            await asyncio.sleep(TICK_MS / 1000)
            now_ms = self.now_ms()
            stall = self._stalls.tick(now_ms)
            if stall is known:
                self.dispatcher.sweep(now_ms)
            else:
                known = stall
                _log.warning("stood still for %.0f ms", stall.length_ms)
                self.dispatcher.excuse(now_ms)

    async def drain(self, grace_ms: float) -> None:
        """Refuses what is new, answers what is under way, and ends all streams."""
        self.is_draining = self._intake.is_draining = True
        _log.info("draining %d streams", len(self.sessions))
        for session in self.sessions:
            session.outbox.add_notice(Notice.DRAINING, "the server is shutting down")
        end_ms = self.now_ms() + grace_ms
        settled_ms = self.now_ms() + 1000.0 * DRAIN_NOTICE_S
        while len(self.sessions) and self.now_ms() < end_ms:
            if self.now_ms() >= settled_ms:
                for session in self.sessions:
                    if not session.under_way:
                        self._end_drained(session)
            await asyncio.sleep(DRAIN_STEP_S)
        for session in self.sessions:
            self._end_drained(session)

    def shut(self) -> None:
        """Lets go of everything."""
        for session in self.sessions:
            self.close(session)
        self.dispatcher.close()
        self.scheduler.close()
        if self._frames is not None:
            self._frames.close()

    def _end_drained(self, session: Session) -> None:
        if session.is_open:
            session.fail(SessionError(Code.UNAVAILABLE, "the server is shutting down"))
        else:
            self.close(session)

    def _look_after(self, late_ms: float) -> None:
        now_ms = self.now_ms()
        for session in self.sessions:
            if late_ms > WATCH_LATE_MS:  # we were stalled, not the clients
                session.observed.last_frame_ms += late_ms
            if not session.is_open:
                if now_ms - session.registered_ms > self._config.session_grace_ms:
                    _log.info("stream %s was never opened", session.stream_id)
                    self.close(session)
            elif (
                session.writing_since_ms is not None
                and now_ms - session.writing_since_ms > WRITE_LIMIT_MS
            ):
                self._cut_off(session)
        if self._frames is not None:
            self._frames.flush()

    def _cut_off(self, session: Session) -> None:
        """Gives up a client that takes nothing of what it is sent."""
        _log.warning("stream %s takes no answers; its call is ended", session.stream_id)
        self._forget(session)
        session.fail(SessionError(Code.RESOURCE_EXHAUSTED, "answers were not read for 10 s"))
        if session.stop_writing is not None:
            session.stop_writing()

    def _check_slots(self, joining: Session) -> None:
        """Refuses a stream for which the plan has room, and the frame memory has not.

        Raises:
            Refused: if that is so.
        """
        plan = self._plan()
        others = [one for one in self.sessions if one.stream_id != joining.stream_id]
        needed = slots_needed(
            (one.declared.fps, running)
            for one in (*others, joining)
            if (running := plan.serving(one.stream_id)) is not None
        )
        if needed > self._config.frame_slots:
            raise Refused(
                Refusal(
                    reason=Refusal.OVERLOAD,
                    detail="the frame memory has no room for so many frames",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            )

    def _end_poisonous(self, stream_id: str) -> None:
        """Ends a stream whose frames end executors; they are given up wherever they are."""
        session = self.sessions.find_stream(stream_id)
        if session is None:
            return
        _log.error("stream %s is ended: its frames end executors", stream_id)
        under_way = list(session.under_way)
        self.dispatcher.cancel(under_way)
        gone = drop(Reason.EXECUTOR_LOST, "frames of this stream end executors")
        for frame in under_way:
            self._answerer.drop(frame, gone)
        detail = "POISON: two executors ended at work on frames of this stream"
        session.fail(SessionError(Code.INVALID_ARGUMENT, detail))
        self._forget(session)

    def _devices_changed(self) -> None:
        """Tells health, and the scheduler at once where a device hangs or speaks again."""
        silent = self.dispatcher.silent_devices
        if silent != self._silent_devices:
            self._silent_devices = silent
            self.report(is_urgent=True)
        self._on_change()

    def _plan(self) -> PlanView:
        """The plan in force, with what devices run while they cannot carry it out."""
        return self._running.view(self.scheduler.plan)

    def _overhead_ms(self) -> float:
        return self._answerer.overhead.mean_ms

    def _frame_answered(self, frame: ArrivedFrame, part: FrameResult, batch: FrameResults) -> None:
        variant = self._variant_index.get(batch.variant)
        if variant is not None:
            self._running.ran(frame.device_id, variant)
        self._answerer.answer(frame, part, batch)

    def _frame_dropped(self, frame: ArrivedFrame, note: DropNote) -> None:
        self._answerer.drop(frame, note)

    def _scheduler_changed(self) -> None:
        if self.scheduler.is_attached:
            self.report()
        self._on_change()

    def _describe_zoo(self) -> Zoo:
        return Zoo(
            name=self._zoo.name,
            class_names=self._zoo.class_names,
            sizes=[
                InputSize(side_px=size.side_px, frame_kbits=size.kbits, accuracy=size.accuracy)
                for size in frame_sizes(self._zoo.variants)
            ],
            qualities=[
                JpegQuality(
                    quality=one.quality,
                    accuracy_ratio=one.accuracy_ratio,
                    size_ratio=one.size_ratio,
                )
                for one in self._zoo.qualities
            ],
        )

    def _account(self, session: Session) -> None:
        """Says how a stream went; every frame that arrived must have ended."""
        drops = ", ".join(f"{reason} {count}" for (_, reason), count in session.drops.items())
        _log.info(
            "stream %s is over: %d frames, %d answered, %d dropped%s",
            session.stream_id,
            session.num_arrived,
            session.num_answered,
            session.drops.total(),
            f" ({drops})" if drops else "",
        )
        if session.num_arrived != session.num_ended:
            _log.error(
                "stream %s: %d frames arrived and %d ended",
                session.stream_id,
                session.num_arrived,
                session.num_ended,
            )

    def _forget(self, session: Session) -> None:
        """Takes a session's capacity, frames and slots back; a second time finds nothing."""
        if self.sessions.remove(session):
            self.report(is_urgent=True)
        under_way = list(session.under_way)
        self.dispatcher.cancel(under_way)
        gone = drop(Reason.CONNECTION_LOST, "its client is gone")
        for frame in under_way:
            self._answerer.abandon(frame, gone)
