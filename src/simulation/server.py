"""The endpoint: its core under the virtual clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.advice import NO_ADVICE, SideAdvice
from ..core.budget_rules import budget_rule
from ..core.codes import CODE_OF_REASON
from ..core.records import ServerFrameRecord
from ..core.verdict import Drop, Place, Reason
from ..scheduling.batching.port import Batch
from ..scheduling.cores.endpoint.core import EndpointCore
from ..scheduling.cores.endpoint.drop_notes import DropNote
from ..scheduling.cores.endpoint.gate import Declared, StreamGate
from ..scheduling.cores.endpoint.instructions import (
    Answer,
    AskScheduler,
    Dispatch,
    Dropped,
    Instruction,
    LeaveScheduler,
    Mistake,
    NotRegistered,
    Registered,
    Report,
    WakeAt,
    Why,
)
from ..scheduling.cores.endpoint.stimuli import BatchDone, EndpointRules, FrameDone
from ..scheduling.plan_view import PlanView
from ..scheduling.planning.admission import Refusal
from ..scheduling.planning.counter_offer import RefusalReason
from ..scheduling.streams.observed_stream import FIRST_RESPONSE_KBITS
from .devices import SimulatedDevice
from .events import EventQueue, Priority
from .frame import SimulatedFrame
from .scenario import Scenario, SimulatedStream
from .scheduler import SimulatedScheduler

NO_LIMIT = 1 << 30
NOTHING = BatchDone(())
NOTES = {
    reason: DropNote(Drop(Place.EXECUTOR, reason), code) for reason, code in CODE_OF_REASON.items()
}


@dataclass(slots=True, eq=False)
class _Client:
    """Who takes what the server says to one stream."""

    on_reply: Callable[[Refusal | None, SideAdvice], None]
    on_ack: Callable[[SimulatedFrame], None]
    on_answer: Callable[[SimulatedFrame], None]
    gate: StreamGate | None = None


class SimulatedServer:
    """The core's shell: what it has it do takes the time that the scenario says."""

    def __init__(
        self,
        scenario: Scenario,
        devices: Mapping[str, SimulatedDevice],
        scheduler: SimulatedScheduler,
        events: EventQueue,
        on_frame: Callable[[ServerFrameRecord], None] | None,
    ) -> None:
        """Serves with the plans of `scheduler` on `devices`; `on_frame` takes each frame's end."""
        self._on_frame = on_frame
        self._model = model = scenario.server
        self._devices = devices
        self._scheduler = scheduler
        self._events = events
        self._clients: dict[str, _Client] = {}
        self._requests: dict[int, _Client] = {}
        self._numbers = itertools.count()
        self._wake_ms = math.inf
        self._actions: dict[type[Instruction], Callable[..., None]] = {
            Dispatch: self._dispatch,
            Answer: self._send,
            Dropped: self._send,
            WakeAt: self._wake_at,
            Report: scheduler.take_report,
            AskScheduler: lambda one: scheduler.join(one.request, one.stream, self._take_reply),
            LeaveScheduler: lambda one: scheduler.leave(one.request, one.stream_id),
            Registered: self._admit,
            NotRegistered: self._refuse,
            Mistake: self._fail,
        }
        types = {device.device_id: device.device_type for device in scenario.devices}
        names = [variant.name for variant in scenario.variants]
        self._core = EndpointCore(
            EndpointRules(
                max_sessions=NO_LIMIT,
                frame_slots=NO_LIMIT,
                max_waiting_frames=model.max_waiting_frames,
                rate_tolerance_ratio=model.rate_tolerance_ratio,
                session_grace_ms=math.inf,
                plan_period_ms=model.plan_period_ms,
                budget_rule=budget_rule(model.budget_rule, scenario.variants),
            ),
            scenario.variants,
            lambda device, variant: scenario.profiles[types[device]].by_variant[names[variant]],
            lambda _: (),
            events.now_ms,
        )

    def start(self) -> None:
        """All but the devices is there from the start."""
        self._perform(self._core.memory_came())
        self._perform(self._core.scheduler_came(self._events.now_ms))

    def device_came(self, device: SimulatedDevice) -> None:
        """A device can run frames."""
        now_ms = self._events.now_ms
        self._perform(self._core.device_came(device.device_id, device.generation, now_ms))

    def device_gone(self, device: SimulatedDevice) -> None:
        """A device is gone, with the frames that it has; nobody is suspected of it."""
        now_ms = self._events.now_ms
        self._perform(self._core.device_gone(device.device_id, device.generation, now_ms))

    def join(
        self,
        stream: SimulatedStream,
        on_reply: Callable[[Refusal | None, SideAdvice], None],
        on_ack: Callable[[SimulatedFrame], None],
        on_answer: Callable[[SimulatedFrame], None],
    ) -> None:
        """Registers a stream; `on_reply` takes a refusal, or None and the first advice."""
        request = next(self._numbers)
        self._requests[request] = _Client(on_reply, on_ack, on_answer)
        declared = Declared(
            stream.key,
            stream.fps,
            stream.slo_ms,
            stream.first_kbps,
            stream.wire_ms,
        )
        self._perform(self._core.register(request, declared, self._events.now_ms))

    def leave(self, stream_id: str) -> None:
        """Ends a stream, all of whose frames have ended."""
        gate = self._clients.pop(stream_id).gate
        if gate is not None:
            self._perform(self._core.closed(gate, self._events.now_ms))

    def take(self, frame: SimulatedFrame, wire_ms: float) -> None:
        """Reads a frame, acknowledges it, and runs it or gives it up."""
        client = self._clients.get(frame.stream_id)
        if client is None or client.gate is None:  # its client has given it up and gone
            return
        now_ms = frame.read_ms = self._events.now_ms
        frame.gate = client.gate
        frame.age_ms = (frame.sent_ms or 0.0) - frame.captured_ms
        self._events.at(now_ms + wire_ms, Priority.DONE, client.on_ack, frame)
        instructions = self._core.take(frame, wire_ms, None)
        if frame.note is None:
            instructions += self._core.dispatch(frame, None, now_ms)
        self._perform(instructions)

    def answer(
        self,
        device: SimulatedDevice,
        batch: Batch,
        frames: list[SimulatedFrame],
        took_ms: float,
        frame_mj: float | None,
    ) -> None:
        """Takes the frames of a batch that has run, and what each of them took, if that is known."""
        start_ms, kbits = batch.start_ms, FIRST_RESPONSE_KBITS
        done = [FrameDone(one.ticket, start_ms - one.handed_ms, 0.0, kbits) for one in frames]
        told = BatchDone(done, batch.variant, batch.size, took_ms, batch.plan_epoch, frame_mj)
        now_ms = self._events.now_ms
        self._events.at(now_ms + self._model.answer_ms, Priority.DONE, self._hear, device, told)

    def drop(self, device: SimulatedDevice, frame: SimulatedFrame, reason: Reason) -> None:
        """Takes a frame that its device has given up."""
        self._hear(device, BatchDone([FrameDone(frame.ticket, note=NOTES[reason])]))

    def _hear(self, device: SimulatedDevice, done: BatchDone) -> None:
        now_ms = self._events.now_ms
        self._perform(self._core.results(device.device_id, device.generation, done, now_ms))

    def _perform(self, instructions: list[Instruction]) -> None:
        for one in instructions:
            action = self._actions.get(type(one))
            if (
                action is not None
            ):  # else a line for a log, or a call that ends: cameras leave by themselves
                action(one)

    def _dispatch(self, order: Dispatch) -> None:
        frame = order.frame
        frame.handed_ms = at_ms = self._events.now_ms + self._model.arrival_ms
        self._events.at(at_ms, Priority.ARRIVAL, self._devices[frame.device_id].take, frame)

    def _send(self, ended: Answer | Dropped) -> None:
        """Tells a camera how its frame ended."""
        frame, gate, now_ms = ended.frame, ended.frame.gate, self._events.now_ms
        if self._on_frame is not None:
            self._on_frame(frame.server_record(now_ms))
        client = self._clients.get(gate.declared.key.stream_id)
        if client is not None and (isinstance(ended, Answer) or ended.is_told):
            at_ms = now_ms + gate.observed.wire_ms
            self._events.at(at_ms, Priority.DONE, client.on_answer, frame)

    def take_plan(self, plan: PlanView) -> None:
        """Takes the scheduler's plan."""
        self._core.take_plan(plan)

    def _take_reply(self, request: int, refusal: Refusal | None) -> None:
        self._perform(self._core.join_answered(request, refusal, self._events.now_ms))

    def _admit(self, registered: Registered) -> None:
        """A camera that is registered opens its stream at once."""
        client, gate = self._requests.pop(registered.request), registered.gate
        client.gate = gate
        self._clients[gate.declared.key.stream_id] = client
        self._perform(self._core.open(gate, self._events.now_ms))
        client.on_reply(None, registered.advice)

    def _refuse(self, refused: NotRegistered) -> None:
        why = refused.why
        if isinstance(why, Why):
            why = Refusal(RefusalReason.OVERLOAD, why)
        self._requests.pop(refused.request).on_reply(why, NO_ADVICE)

    def _fail(self, mistake: Mistake) -> None:
        raise mistake.error

    def _wake_at(self, order: WakeAt) -> None:
        at_ms = self._wake_ms = order.at_ms
        if at_ms < math.inf:
            at_ms = max(at_ms, self._events.now_ms)
            self._events.at(at_ms, Priority.DECISION, self._tick, self._wake_ms)

    def _tick(self, wake_ms: float) -> None:
        if wake_ms != self._wake_ms:  # something else was decided since
            return
        for device in self._devices.values():
            if not device.is_busy:  # an executor that waits says that it lives
                self._hear(device, NOTHING)
        self._perform(self._core.tick(self._events.now_ms))
