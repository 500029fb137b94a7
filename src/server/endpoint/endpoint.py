"""What happens to an endpoint, without gRPC: tells its core, and has done what that says."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable

from ...core.budget_rules import budget_rule
from ...core.codes import Code
from ...core.limits import MOST_AGE_MS
from ...core.link import KBITS_PER_BYTE
from ...core.options import same_options
from ...core.records import ServerFrameRecord
from ...protos.internal_pb2 import FrameResults
from ...protos.serving_pb2 import Frame, Notice, Refusal, RegisterReply, RegisterRequest
from ...scheduling.cores.endpoint.core import EndpointCore
from ...scheduling.cores.endpoint.drop_notes import FAILED, DropNote
from ...scheduling.cores.endpoint.instructions import Why
from ...scheduling.cores.endpoint.stimuli import EndpointRules
from ...scheduling.limits import Limits, Visitor
from ...vision.jpeg import MAX_PIXELS
from ..config import ServerConfig
from ..run_log import open_log
from ..wire.channel import Channel
from ..wire.frame_memory import FrameWriter
from ..zoo import ServedZoo
from .answers import read_results
from .device_side import ArrivedFrame, AttachedExecutor, DeviceSide
from .intake import check_fields, check_picture
from .performer import Performer
from .problems import SessionError
from .registration import check_registration
from .scheduler_link import SchedulerLink
from .session import Session

FLUSH_MS = 250.0
DRAIN_NOTICE_S = 0.2  # frames that were on their way when the notice went out still get an answer
DRAIN_STEP_S = 0.02

_log = logging.getLogger(__name__)


class Endpoint:
    """Holds streams from registration to end.

    Attributes:
        core: decides.
        devices: where frames go.
        scheduler: whom the core asks and tells.
    """

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
            on_change: called when the scheduler or a device comes or goes.
        """
        self.is_draining = False
        self.now_ms = now_ms
        self._config = config
        self._zoo = zoo
        self._on_change = on_change
        self._requests = itertools.count(1)
        self._served_px = max(variant.input_side_px for variant in zoo.variants)
        names = [variant.name for variant in zoo.variants]
        self.devices = DeviceSide()
        self.core = EndpointCore(
            EndpointRules(
                max_sessions=config.max_sessions,
                frame_slots=config.frame_slots,
                max_waiting_frames=config.max_waiting_frames,
                rate_tolerance_ratio=config.rate_tolerance_ratio,
                session_grace_ms=config.session_grace_ms,
                plan_period_ms=config.plan_period_ms,
                budget_rule=budget_rule(config.budget_rule, zoo.variants),
                session_idle_ms=config.session_idle_ms,
                limits=Limits(**same_options(config, Limits)),
            ),
            zoo.variants,
            lambda device_id, variant: zoo.latency(device_id, names[variant]),
            lambda device_id: self.devices.executors[device_id].at_work(),
            now_ms(),
        )
        self.scheduler = SchedulerLink(
            zoo,
            on_reply=self._on_reply,
            on_plan=self.core.take_plan,
            on_superseded=self._on_superseded,
            on_lost=self._on_scheduler_lost,
        )
        self._csv = open_log(config.out_dir, "server_frames", ServerFrameRecord)
        self._flushed_ms = now_ms()
        self._shell = Performer(
            self.core, zoo, self.devices, self.scheduler, self._csv, now_ms, on_change, self._tick
        )

    @property
    def sessions(self) -> dict[int, Session]:
        """The streams that are registered, by the numbers of their gates."""
        return self._shell.sessions

    async def register(self, request: RegisterRequest, visitor: Visitor) -> RegisterReply:
        """Gives one stream of a visitor a place.

        Raises:
            SessionError: if a value is bad, or there is no place.
        """
        declared = check_registration(request, visitor, self._zoo)
        number = next(self._requests)
        reply: asyncio.Future[RegisterReply] = asyncio.get_running_loop().create_future()
        self._shell.replies[number] = reply
        try:
            self._shell.perform(self.core.register(number, declared, self.now_ms()))
            return await reply
        except asyncio.CancelledError:
            self._shell.perform(self.core.hang_up(number))
            raise
        finally:
            del self._shell.replies[number]

    def open(self, token: str) -> Session:
        """Opens a registered session.

        Raises:
            SessionError: if there is none, or it is open already.
        """
        session = self._shell.find(token)
        if session is None:
            raise SessionError(Code.NOT_FOUND, "session: not known here, or over; register again")
        if session.gate.is_open:
            raise SessionError(Code.FAILED_PRECONDITION, "session: is open already")
        self._shell.perform(self.core.open(session.gate, self.now_ms()))
        if self.is_draining:
            session.outbox.add_notice(Notice.DRAINING, Why.DRAINING)
        return session

    def take_frame(self, session: Session, message: Frame) -> None:
        """Takes one frame that was just read: acknowledges it, then refuses it or has it run.

        What is cheap comes first, and what is hopeless goes before its picture is looked at.
        """
        core, read_ms = self.core, self.now_ms()
        session.outbox.add_ack(message.sequence, read_ms)
        jpeg = message.jpeg  # each access copies it
        frame = ArrivedFrame(
            sequence=message.sequence,
            read_ms=read_ms,
            side_px=max(message.width_px, message.height_px),
            kbits=len(jpeg) * KBITS_PER_BYTE,
            num_pixels=min(message.width_px * message.height_px, MAX_PIXELS),
            jpeg=jpeg,
        )
        frame.gate = session.gate
        flaw = self._flaw(lambda: check_fields(message, len(jpeg), self._config.max_frame_bytes))
        if flaw is None:
            frame.age_ms = min(message.age_ms, MOST_AGE_MS)
            frame.bandwidth_kbps = message.link.bandwidth_kbps
        perform = self._shell.perform
        perform(core.take(frame, message.link.wire_ms, flaw))
        if frame.note is None:
            flaw = self._flaw(lambda: check_picture(frame, message, self._served_px))
            perform(core.dispatch(frame, flaw, self.now_ms()))

    def take_unknown(self, session: Session, is_empty: bool) -> None:
        """Takes a message that holds nothing known here."""
        session.outbox.add_notice(Notice.BAD_MESSAGE, "a message held nothing that is known here")
        self._shell.perform(self.core.take_unknown(session.gate, self.now_ms(), is_empty=is_empty))

    def take_goodbye(self, session: Session) -> None:
        """The client leaves politely: what is under way is answered, then the call ends."""
        self._shell.perform(self.core.goodbye(session.gate))

    def close(self, session: Session) -> None:
        """The call of a session is over, in whatever way; frees all it held, at once."""
        session.outbox.close()
        self._shell.perform(self.core.closed(session.gate, self.now_ms()))

    def attach_scheduler(self, channel: Channel) -> None:
        """Takes the channel of a scheduler, in place of its predecessor's."""
        self.scheduler.attach(channel)
        self._shell.perform(self.core.scheduler_came(self.now_ms()))
        self._on_change()

    def use_memory(self, memory: FrameWriter) -> None:
        """Takes the frame memory of this endpoint."""
        self.devices.memory = memory
        self._shell.perform(self.core.memory_came())
        self._on_change()

    def attach_device(self, device_id: str, generation: int, channel: Channel) -> None:
        """Takes the channel of a device's executor, in place of its predecessor's."""
        older = self.devices.executors.get(device_id)
        if older is not None:
            self._lose_device(older)
        self.devices.executors[device_id] = AttachedExecutor(
            device_id, generation, channel, self._take_results, self._lose_device
        )
        self._shell.perform(self.core.device_came(device_id, generation, self.now_ms()))

    def note_death(self, device_id: str, *, is_crash: bool) -> None:
        """Takes in what the executor of a device died of: by itself, or killed; its end shows before or after."""
        self._shell.perform(self.core.device_died(device_id, self.now_ms(), is_crash=is_crash))

    async def drain(self, grace_ms: float) -> None:
        """Refuses what is new, answers what is under way, and ends all streams."""
        self.is_draining = True
        self.core.drain()
        _log.info("draining %d streams", len(self._shell.sessions))
        for session in self._shell.sessions.values():
            session.outbox.add_notice(Notice.DRAINING, Why.DRAINING)
        end_ms = self.now_ms() + grace_ms
        settled_ms = self.now_ms() + 1000.0 * DRAIN_NOTICE_S
        while self._shell.sessions and self.now_ms() < end_ms:
            if self.now_ms() >= settled_ms:
                idle = [one for one in self._shell.sessions.values() if not one.gate.num_under_way]
                self._end_drained(idle)
            await asyncio.sleep(DRAIN_STEP_S)
        self._end_drained(list(self._shell.sessions.values()))

    def shut(self) -> None:
        """Lets go of everything."""
        for session in list(self._shell.sessions.values()):
            self.close(session)
        self.devices.close()
        self.scheduler.close()
        self._shell.close()
        if self._csv is not None:
            self._csv.close()

    def _flaw(self, check: Callable[[], DropNote | None]) -> DropNote | None:
        """What is wrong with a frame; if looking fails, this frame ends and its stream goes on."""
        try:
            return check()
        except Exception as error:  # noqa: BLE001 whatever it is
            self._shell.note_failure("checking a frame", error)
            return FAILED

    def _end_drained(self, sessions: list[Session]) -> None:
        for session in sessions:
            if session.gate.is_open:
                session.fail(SessionError(Code.UNAVAILABLE, Why.DRAINING))
            else:
                self.close(session)

    def _on_reply(self, request: int, refusal: Refusal | Why | None) -> None:
        self._shell.perform(self.core.join_answered(request, refusal, self.now_ms()))

    def _on_superseded(self, stream_id: str) -> None:
        self._shell.perform(self.core.superseded(stream_id, self.now_ms()))

    def _on_scheduler_lost(self) -> None:
        self._shell.perform(self.core.scheduler_lost())
        self._on_change()

    def _take_results(self, executor: AttachedExecutor, results: FrameResults) -> None:
        device_id, generation = executor.device_id, executor.generation
        done = read_results(results)
        self._shell.perform(self.core.results(device_id, generation, done, self.now_ms()))

    def _lose_device(self, executor: AttachedExecutor) -> None:
        device_id, generation = executor.device_id, executor.generation
        instructions = self.core.device_gone(device_id, generation, self.now_ms())
        self.devices.detach(executor)
        self._shell.perform(instructions)

    def _tick(self) -> None:
        now_ms = self.now_ms()
        self._shell.perform(self.core.tick(now_ms))
        if self._csv is not None and now_ms - self._flushed_ms >= FLUSH_MS:
            self._flushed_ms = now_ms
            self._csv.flush()
