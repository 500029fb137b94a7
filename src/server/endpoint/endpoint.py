"""What the endpoint does, without gRPC: sessions, frames, and the talk with scheduler and executors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from ...adapting.frame_sizes import frame_sizes
from ...core.budget_rules import budget_rule
from ...core.records import ServerFrameRecord
from ...core.verdict import Reason
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
from ...scheduling.duties import Duties
from ...scheduling.pacing import REPORTS_PER_PLAN, URGENT_GAP_MS
from ...scheduling.plan_view import PlanView
from ...scheduling.running_plan import RunningPlan
from ...scheduling.slots import slots_needed
from ...scheduling.streams.adviser import Adviser
from ...scheduling.streams.stalls import TICK_MS, StallWatch
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
EXPIRY_LOOK_MS, STUCK_LOOK_MS, FLUSH_MS = 100.0, 500.0, 250.0  # how often each is due
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
        self.scheduler = SchedulerLink(zoo, self._scheduler_changed, self._supersede)
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
        adviser = Adviser(
            zoo.variants,
            self._plan,
            budget_rule(config.budget_rule, zoo.variants),
            self._overhead_ms,
        )
        self._adviser = adviser
        self._answerer = Answerer(now_ms, self._plan, adviser, self._frames)
        self._stalls = StallWatch(now_ms())
        self._known_stall = self._stalls.latest
        self._intake = Intake(
            config, zoo, self._plan, now_ms, self.dispatcher, self._answerer, self._stalls
        )
        self._variant_index = {variant.name: k for k, variant in enumerate(zoo.variants)}
        self._running = RunningPlan(
            lambda device_id, variant: zoo.latency(device_id, zoo.variants[variant].name)
        )
        self._silent_devices: list[str] = []
        self._num_joining = 0
        self._wake = asyncio.Event()
        self._is_urgent = False

    async def register(self, request: RegisterRequest) -> RegisterReply:
        """Gives one stream a place.

        Raises:
            SessionError: if a value is bad, or the server cannot answer now.
            Refused: if it does not fit, or no device can run frames yet.
        """
        if self.is_draining:
            raise SessionError(Code.UNAVAILABLE, "the server is shutting down")
        declared = check_registration(request, self._zoo.name)
        if not any(True for _ in self.dispatcher.device_ids):
            raise Refused(
                Refusal(
                    reason=Refusal.NOT_READY,
                    detail="no device can run frames yet",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            )
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
        refusal = self._slots_refusal(session)
        if self.is_draining or refusal is not None:
            self.scheduler.leave(reply.request, declared.stream_id)
        if self.is_draining:
            raise SessionError(Code.UNAVAILABLE, "the server is shutting down")
        if refusal is not None:
            raise Refused(refusal)
        self._supersede(declared.stream_id)
        self.sessions.add(session)
        self.report()
        return session

    def _supersede(self, stream_id: str) -> None:
        """Ends the session of a stream that was registered again, here or at another endpoint."""
        older = self.sessions.find_stream(stream_id)
        if older is not None:
            self._forget(older)
            older.fail(SessionError(Code.ABORTED, "the stream was registered again"))

    def open(self, token: str) -> Session:
        """Opens a registered session.

        Raises:
            SessionError: if there is none, or it is open already.
        """
        session = self.sessions.open(token, self.now_ms())
        self.report(is_urgent=True)  # from now on it counts
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

    def take_unknown(self, session: Session, is_empty: bool) -> None:
        """Takes a message that holds nothing known here.

        A newer client may say more than we know, as often as any stream may send frames; what says nothing at all, or
        comes more often, is bad.
        """
        session.outbox.add_notice(Notice.BAD_MESSAGE, "a message held nothing that is known here")
        now_ms = self.now_ms()
        is_bad = is_empty or not session.newer_messages.takes(now_ms)
        if is_bad and session.bad_frames.add(now_ms):
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

        Each of these duties has a due time of its own, whatever else happens. Sleeps while there is nothing to look after.
        """
        duties: Duties[Callable[[float], None]] = Duties(
            {
                self._look_for_stall: TICK_MS,  # first, or clients and devices would count as silent
                self._sweep: TICK_MS,
                self._expire: EXPIRY_LOOK_MS,
                self._cut_off_stuck: STUCK_LOOK_MS,
                self._flush: FLUSH_MS,
                self._send_snapshot: self._config.plan_period_ms / REPORTS_PER_PLAN,
            },
            self.now_ms(),
        )
        while True:
            wait_s = (duties.next_ms - self.now_ms()) / 1000 if len(self.sessions) else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            if wait_s is None:
                duties.rest(self.now_ms())
                self._stalls.restart(self.now_ms())
            if self._wake.is_set():
                await asyncio.sleep(URGENT_GAP_MS / 1000)
                self._wake.clear()
                duties.hasten(self._send_snapshot, self.now_ms())
            for due in duties.take_due(self.now_ms()):
                due.name(due.late_ms)

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

    def _send_snapshot(self, late_ms: float) -> None:
        del late_ms
        now_ms = self.now_ms()
        is_urgent = self._is_urgent or any(one.observed.has_jumped(now_ms) for one in self.sessions)
        self._is_urgent = False
        states = [session.state(now_ms) for session in self.sessions]
        self.scheduler.send_snapshot(
            states,
            self._overhead_ms(),
            is_urgent=is_urgent,
            silent_devices=self.dispatcher.silent_devices,
        )

    def _look_for_stall(self, late_ms: float) -> None:
        """If it was us who stood still, neither clients nor devices were silent."""
        del late_ms
        known, now_ms = self._known_stall, self.now_ms()
        stall = self._known_stall = self._stalls.tick(now_ms)
        if stall is known:
            return
        _log.warning("stood still for %.0f ms", stall.length_ms)
        for session in self.sessions:
            session.observed.last_frame_ms += stall.length_ms
        self.dispatcher.excuse(now_ms)

    def _sweep(self, late_ms: float) -> None:
        """Notices what is overdue at devices."""
        del late_ms
        self.dispatcher.sweep(self.now_ms())

    def _expire(self, late_ms: float) -> None:
        """Ends sessions that were never opened."""
        del late_ms
        for session in self.sessions:
            waited_ms = self.now_ms() - session.registered_ms
            if not session.is_open and waited_ms > self._config.session_grace_ms:
                _log.info("stream %s was never opened", session.stream_id)
                self.close(session)

    def _cut_off_stuck(self, late_ms: float) -> None:
        """Ends calls whose clients take nothing of what they are sent."""
        del late_ms
        for session in self.sessions:
            since_ms = session.writing_since_ms
            if (
                session.is_open
                and since_ms is not None
                and self.now_ms() - since_ms > WRITE_LIMIT_MS
            ):
                self._cut_off(session)

    def _flush(self, late_ms: float) -> None:
        del late_ms
        if self._frames is not None:
            self._frames.flush()

    def _cut_off(self, session: Session) -> None:
        """Gives up a client that takes nothing of what it is sent."""
        _log.warning("stream %s takes no answers; its call is ended", session.stream_id)
        self._forget(session)
        session.fail(SessionError(Code.RESOURCE_EXHAUSTED, "answers were not read for 10 s"))
        if session.stop_writing is not None:
            session.stop_writing()

    def _slots_refusal(self, joining: Session) -> Refusal | None:
        """Refuses a stream for which the plan has room, and the frame memory has not."""
        plan = self._plan()
        others = [one for one in self.sessions if one.stream_id != joining.stream_id]
        needed = slots_needed(
            (one.declared.fps, running)
            for one in (*others, joining)
            if (running := plan.serving(one.stream_id)) is not None
        )
        if needed <= self._config.frame_slots:
            return None
        return Refusal(
            reason=Refusal.OVERLOAD,
            detail="the frame memory has no room for so many frames",
            retry_after_ms=RETRY_AFTER_MS,
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
