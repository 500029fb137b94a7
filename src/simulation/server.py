"""The endpoint: its core under the virtual clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from ..core.advice import NO_ADVICE, SideAdvice
from ..core.budget_rules import budget_rule
from ..core.codes import CODE_OF_REASON
from ..core.records import ServerFrameRecord
from ..core.stream import StreamKey
from ..core.verdict import Drop, Place, Reason
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
            StreamKey.parse(stream.stream_id),
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
        self._perform(self._core.take(frame, wire_ms, None))
        if frame.note is None:
            self._perform(self._core.dispatch(frame, None, now_ms))

    def answer(self, device: SimulatedDevice, frames: list[SimulatedFrame]) -> None:
        """Takes the frames of a batch that has run."""
        at_ms = self._events.now_ms + self._model.answer_ms
        self._events.at(at_ms, Priority.DONE, self._take_results, device, frames)

    def _take_results(self, device: SimulatedDevice, frames: list[SimulatedFrame]) -> None:
        first = frames[0]
        done = BatchDone(
            [FrameDone(one.ticket, one.queue_ms, 0.0, FIRST_RESPONSE_KBITS) for one in frames],
            first.variant,
            first.batch_size or 0,
            first.inference_ms,
            first.plan_epoch or 0,
        )
        self._hear(device, done)

    def drop(self, device: SimulatedDevice, frame: SimulatedFrame, reason: Reason) -> None:
        """Takes a frame that its device has given up."""
        self._hear(device, BatchDone([FrameDone(frame.ticket, note=NOTES[reason])]))

    def _hear(self, device: SimulatedDevice, done: BatchDone) -> None:
        now_ms = self._events.now_ms
        self._perform(self._core.results(device.device_id, device.generation, done, now_ms))

    def _perform(self, instructions: list[Instruction]) -> None:
        for one in instructions:
            match one:
                case Dispatch(frame):
                    self._dispatch(cast("SimulatedFrame", frame))
                case Answer(frame, _) | Dropped(frame, True):
                    self._send(cast("SimulatedFrame", frame))
                case Dropped(frame, _):
                    self._log(cast("SimulatedFrame", frame))
                case WakeAt(at_ms):
                    self._wake_at(at_ms)
                case Report():
                    self._scheduler.take_report(one)
                case AskScheduler(request, stream):
                    self._scheduler.join(request, stream, self._take_reply)
                case LeaveScheduler(request, stream_id):
                    self._scheduler.leave(request, stream_id)
                case Registered(request, gate, advice, _):
                    self._admit(self._requests.pop(request), gate, advice)
                case NotRegistered(request, why):
                    if isinstance(why, Why):
                        why = Refusal(RefusalReason.OVERLOAD, why)
                    self._requests.pop(request).on_reply(why, NO_ADVICE)
                case Mistake(_, error):
                    raise error
                case _:  # lines for logs, and calls that end: cameras leave by themselves
                    pass

    def _dispatch(self, frame: SimulatedFrame) -> None:
        frame.handed_ms = at_ms = self._events.now_ms + self._model.arrival_ms
        self._events.at(at_ms, Priority.ARRIVAL, self._devices[frame.device_id].take, frame)

    def _send(self, frame: SimulatedFrame) -> None:
        """Tells a camera how its frame ended."""
        self._log(frame)
        client = self._clients.get(frame.stream_id)
        if client is not None:
            at_ms = self._events.now_ms + frame.gate.observed.wire_ms
            self._events.at(at_ms, Priority.DONE, client.on_answer, frame)

    def _log(self, frame: SimulatedFrame) -> None:
        if self._on_frame is not None:
            self._on_frame(frame.server_record(self._events.now_ms))

    def take_plan(self, plan: PlanView) -> None:
        """Takes the scheduler's plan."""
        self._core.take_plan(plan)

    def _take_reply(self, request: int, refusal: Refusal | None) -> None:
        self._perform(self._core.join_answered(request, refusal, self._events.now_ms))

    def _admit(self, client: _Client, gate: StreamGate, advice: SideAdvice) -> None:
        """A camera that is registered opens its stream at once."""
        client.gate = gate
        self._clients[gate.stream_id] = client
        self._perform(self._core.open(gate, self._events.now_ms))
        client.on_reply(None, advice)

    def _wake_at(self, at_ms: float) -> None:
        self._wake_ms = at_ms
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
