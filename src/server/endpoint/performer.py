"""Does what an endpoint's core says."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from ...core.records import ServerFrameRecord
from ...protos.serving_pb2 import RegisterReply
from ...scheduling.cores.endpoint.core import EndpointCore
from ...scheduling.cores.endpoint.drop_notes import FAILED
from ...scheduling.cores.endpoint.held_frame import HeldFrame
from ...scheduling.cores.endpoint.instructions import (
    Answer,
    AskScheduler,
    Cancel,
    DevicesChanged,
    Dispatch,
    Dropped,
    EndCall,
    Instruction,
    LeaveScheduler,
    Mistake,
    Note,
    NotRegistered,
    Registered,
    Report,
    SessionOver,
    WakeAt,
    Why,
)
from ..run_log import RunLog
from ..wire.answers import AnswerMessage
from ..zoo import ServedZoo
from .answers import write_result
from .device_side import ArrivedFrame, DeviceSide
from .problems import SessionError, not_registered
from .registration import describe_zoo
from .scheduler_link import SchedulerLink
from .session import Session

FAILURE_PAUSE_MS = 10_000.0

_log = logging.getLogger(__name__)


class Performer:
    """Has a method for each kind of instruction.

    Attributes:
        sessions: by the numbers of their gates.
        replies: where those wait who register, by request.
    """

    def __init__(
        self,
        core: EndpointCore,
        zoo: ServedZoo,
        devices: DeviceSide,
        scheduler: SchedulerLink,
        csv: RunLog[ServerFrameRecord] | None,
        now_ms: Callable[[], float],
        on_change: Callable[[], None],
        on_tick: Callable[[], None],
    ) -> None:
        self.sessions: dict[int, Session] = {}
        self.replies: dict[int, asyncio.Future[RegisterReply]] = {}
        self._num_unsaid = 0  # failures since one was said
        self._said_ms = -math.inf
        self.core = core
        self.devices = devices
        self.scheduler = scheduler
        self.now_ms = now_ms
        self._zoo = describe_zoo(zoo)
        self._csv = csv
        self._on_tick = on_tick
        self._by_token: dict[str, Session] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._todo: deque[Instruction] = deque()
        self._is_performing = False
        self._actions: dict[type[Instruction], Callable[[Any], None]] = {
            Dispatch: self._dispatch,
            Answer: lambda one: self._end_frame(one.frame, one.found, is_told=True),
            Dropped: lambda one: self._end_frame(one.frame, None, is_told=one.is_told),
            Cancel: lambda cancel: devices.executors[cancel.device_id].cancel(cancel.tickets),
            EndCall: self._end_call,
            SessionOver: self._session_over,
            Registered: self._registered,
            NotRegistered: self._not_registered,
            AskScheduler: self._ask,
            LeaveScheduler: scheduler.leave,
            Report: scheduler.report,
            DevicesChanged: lambda _: on_change(),
            Note: lambda note: _log.log(logging.getLevelName(note.level), "%s", note.text),
            Mistake: lambda mistake: self.note_failure(mistake.where, mistake.error),
            WakeAt: self._wake_at,
        }

    def find(self, token: str) -> Session | None:
        """The session that this opens."""
        return self._by_token.get(token)

    def close(self) -> None:
        """Nothing is to be done any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def note_failure(self, where: str, error: Exception) -> None:
        """Logs a mistake of ours, one in ten seconds: whoever provokes them must not fill the log."""
        now_ms = self.now_ms()
        if now_ms - self._said_ms < FAILURE_PAUSE_MS:
            self._num_unsaid += 1
            return
        text = "%s failed; %d times more since it was said last"
        _log.error(text, where, self._num_unsaid, exc_info=error)
        self._said_ms, self._num_unsaid = now_ms, 0

    def perform(self, instructions: list[Instruction]) -> None:
        """Does all that, in order, and whatever comes of it."""
        todo, actions = self._todo, self._actions
        todo.extend(instructions)
        if self._is_performing:
            return
        self._is_performing = True
        try:
            while todo:
                one = todo.popleft()
                actions[type(one)](one)
        finally:
            self._is_performing = False

    def _dispatch(self, one: Dispatch) -> None:
        frame = cast("ArrivedFrame", one.frame)
        try:
            note = self.devices.send(frame)
        except Exception as error:  # noqa: BLE001 the frame ends, and others go on
            self.note_failure("sending a frame", error)
            note = FAILED
        if note is not None:
            self.perform(self.core.not_taken(frame, note, self.now_ms()))

    def _end_frame(self, frame: HeldFrame, found: AnswerMessage | None, *, is_told: bool) -> None:
        self.devices.free(cast("ArrivedFrame", frame))
        session = self.sessions.get(frame.gate.number)
        if is_told and session is not None:
            write_result(frame, found, session.outbox)
        if self._csv is not None:
            self._csv.write(frame.server_record(self.now_ms()))

    def _end_call(self, one: EndCall) -> None:
        session = self.sessions.get(one.gate.number)
        if session is None:
            return
        if one.code is None:
            session.outbox.close()
        else:
            session.fail(SessionError(one.code, one.detail))
        if one.is_stuck and session.stop_writing is not None:
            session.stop_writing()

    def _session_over(self, one: SessionOver) -> None:
        """Says how a stream went; every frame that arrived must have ended."""
        gate = one.gate
        del self._by_token[self.sessions.pop(gate.number).token]
        drops = ", ".join(f"{drop.reason} {count}" for drop, count in gate.drops.items())
        _log.info(
            "stream %s is over: %d frames, %d answered, %d dropped%s",
            gate.stream_id,
            gate.num_arrived,
            gate.num_answered,
            gate.drops.total(),
            f" ({drops})" if drops else "",
        )
        if gate.num_arrived != gate.num_ended:
            _log.error(
                "stream %s: %d frames arrived and %d ended",
                gate.stream_id,
                gate.num_arrived,
                gate.num_ended,
            )

    def _registered(self, one: Registered) -> None:
        session = Session(one.gate)
        self.sessions[one.gate.number] = self._by_token[session.token] = session
        reply = self.replies.get(one.request)
        if reply is None or reply.done():  # whoever asked has hung up just now
            self.scheduler.leave(LeaveScheduler(one.request, one.gate.stream_id))
            self.perform(self.core.closed(one.gate, self.now_ms()))
            return
        reply.set_result(
            RegisterReply(
                session=session.token,
                zoo=self._zoo,
                advised_side_px=one.advice.side_px,
                served_side_px=one.advice.served_px,
                plan_epoch=one.plan_epoch,
            )
        )

    def _not_registered(self, one: NotRegistered) -> None:
        reply = self.replies.get(one.request)
        if reply is not None and not reply.done():
            reply.set_exception(not_registered(one.why))

    def _ask(self, one: AskScheduler) -> None:
        if not self.scheduler.ask(one):
            why = Why.NO_SCHEDULER
            self.perform(self.core.join_answered(one.request, why, self.now_ms()))

    def _wake_at(self, one: WakeAt) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if one.at_ms < math.inf:
            wait_s = max(0.0, one.at_ms - self.now_ms()) / 1000
            self._alarm = asyncio.get_running_loop().call_later(wait_s, self._on_tick)
