"""An endpoint's core with a shell that does as it is told, and devices that do as the test says."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from moonjelly.core.budget import FULL_BUDGET
from moonjelly.core.profile import BatchLatency
from moonjelly.core.stream import StreamKey
from moonjelly.core.variant import Variant
from moonjelly.core.verdict import Drop
from moonjelly.scheduling.cores.endpoint import instructions as told
from moonjelly.scheduling.cores.endpoint.core import EndpointCore
from moonjelly.scheduling.cores.endpoint.drop_notes import NOT_TAKEN, DropNote
from moonjelly.scheduling.cores.endpoint.gate import Declared, StreamGate
from moonjelly.scheduling.cores.endpoint.held_frame import HeldFrame
from moonjelly.scheduling.cores.endpoint.stimuli import BatchDone, EndpointRules, FrameDone
from moonjelly.scheduling.plan_view import PlanView, RunningVariant

VARIANTS = (Variant("small", 128, 0.2, 50.0), Variant("large", 416, 0.4, 300.0))
LATENCY = (BatchLatency((5.0, 6.0), (6.0, 8.0)), BatchLatency((20.0, 25.0), (25.0, 30.0)))
PERIOD_MS = 200.0


class EndpointShell:
    """Performs instructions, and checks that they make sense."""

    def __init__(self, num_slots: int = 64) -> None:
        self.now_ms = 0.0
        self.wake_ms = math.inf
        self.num_slots = num_slots
        self.executors: dict[str, int] = {}  # generation of each device that is there
        self.at_work: dict[str, list[int]] = {}
        self.sent: dict[str, dict[int, HeldFrame]] = {}  # what each device was handed, by ticket
        self.takes_nothing: set[str] = set()
        self.asked: dict[int, tuple[float, str]] = {}  # joins that the scheduler has to answer
        self.waiting: dict[int, tuple[float, str]] = {}  # registrations without an answer
        self.answered: Counter[int] = Counter()
        self.refusals: dict[int, object] = {}
        self.gates: dict[str, StreamGate] = {}
        self.taken: list[HeldFrame] = []
        self.ended: Counter[HeldFrame] = Counter()
        self.in_slots: set[HeldFrame] = set()
        self.calls_ended: list[told.EndCall] = []
        self.reports: list[told.Report] = []
        self.notes: list[str] = []
        self.num_requests = self.num_generations = 0
        rules = EndpointRules(
            max_sessions=6,
            frame_slots=num_slots,
            max_waiting_frames=32,
            rate_tolerance_ratio=1e6,
            session_grace_ms=1000.0,
            plan_period_ms=PERIOD_MS,
            budget_rule=FULL_BUDGET,
        )
        self.core = EndpointCore(
            rules,
            VARIANTS,
            lambda _, variant: LATENCY[variant],
            lambda device_id: self.at_work.get(device_id, []),
            0.0,
        )
        self.perform(self.core.memory_came())
        self.perform(self.core.scheduler_came(0.0))

    def attach(self, device_id: str) -> None:
        self.lose(device_id)
        self.num_generations += 1
        self.executors[device_id] = self.num_generations
        self.sent[device_id], self.at_work[device_id] = {}, []
        self.perform(self.core.device_came(device_id, self.num_generations, self.now_ms))

    def lose(self, device_id: str, *at_work: int) -> None:
        """The device's executor ends, at work on these tickets."""
        generation = self.executors.pop(device_id, None)
        if generation is not None:
            self.at_work[device_id] = list(at_work)
            self.perform(self.core.device_gone(device_id, generation, self.now_ms))
            self.perform(self.core.device_gone(device_id, generation, self.now_ms))  # nothing new

    def plan(self, placement: dict[str, str], variant: int = 0, epoch: int = 1) -> None:
        devices = {
            name: RunningVariant(name, variant, 2, LATENCY[variant]) for name in ("d0", "d1")
        }
        self.core.take_plan(PlanView(epoch, devices, placement))

    def ask(self, stream_id: str, slo_ms: float = 200.0, fps: float = 30.0) -> int:
        self.num_requests += 1
        self.waiting[self.num_requests] = self.now_ms, stream_id
        declared = Declared(StreamKey.parse(stream_id), fps, slo_ms, 100_000.0, 1.0)
        self.perform(self.core.register(self.num_requests, declared, self.now_ms))
        return self.num_requests

    def reply(self, request: int, refusal: object = None) -> None:
        self.asked.pop(request, None)
        self.perform(self.core.join_answered(request, refusal, self.now_ms))

    def join(self, stream_id: str, slo_ms: float = 200.0, device_id: str = "d0") -> StreamGate:
        """Registers a stream that is placed on a device, and opens it."""
        self.plan(dict(self.core.plan.placement) | {stream_id: device_id})
        self.reply(self.ask(stream_id, slo_ms))
        gate = self.gates[stream_id]
        self.perform(self.core.open(gate, self.now_ms))
        return gate

    def send(self, gate: StreamGate, **changes: Any) -> HeldFrame:
        """A frame of a stream arrives."""
        values = {
            "sequence": gate.last_sequence + 1,
            "read_ms": self.now_ms,
            "side_px": 128,
            "kbits": 50.0,
            "age_ms": 1.0,
            "bandwidth_kbps": 100_000.0,
        }
        frame = HeldFrame(**(values | changes))
        frame.gate = gate
        self.taken.append(frame)
        self.perform(self.core.take(frame, 1.0, None))
        if frame.note is None:
            self.perform(self.core.dispatch(frame, None, self.now_ms))
        return frame

    def answer(self, device_id: str, *tickets: int, note: DropNote | None = None) -> None:
        """A device says what became of frames; it may be wrong."""
        generation = self.executors.get(device_id, 0)
        done = [FrameDone(ticket, 1.0, 0.5, 2.0, note, "boxes") for ticket in tickets]
        batch = BatchDone(done, "small", len(done), 5.0, 1)
        self.perform(self.core.results(device_id, generation, batch, self.now_ms))

    def wait(self, duration_ms: float) -> None:
        """Lets time pass, with a tick whenever one is due."""
        end_ms = self.now_ms + duration_ms
        while self.wake_ms <= end_ms:
            self.now_ms = max(self.now_ms, self.wake_ms)
            before_ms = self.wake_ms
            self.perform(self.core.tick(self.now_ms))
            assert self.wake_ms > before_ms, "it would spin"
        self.now_ms = end_ms

    def close(self, gate: StreamGate) -> None:
        self.perform(self.core.closed(gate, self.now_ms))

    @property
    def ledger(self) -> dict[str, tuple[int, dict[Drop, int]]]:
        return {name: (gate.num_answered, dict(gate.drops)) for name, gate in self.gates.items()}

    def perform(self, instructions: list[told.Instruction]) -> None:
        todo = list(instructions)
        while todo:
            one = todo.pop(0)
            match one:
                case told.Dispatch(frame):
                    assert frame.device_id in self.executors, "it is not there"
                    assert self.ended[frame] == 0, "it has ended"
                    if frame.device_id in self.takes_nothing:
                        todo += self.core.not_taken(frame, NOT_TAKEN, self.now_ms)
                        continue
                    self.in_slots.add(frame)
                    assert len(self.in_slots) <= self.num_slots
                    self.sent[frame.device_id][frame.ticket] = frame
                case told.Answer(frame, found):
                    assert found == "boxes"
                    assert frame.note is None
                    self._end(frame)
                case told.Dropped(frame, _):
                    assert frame.note is not None
                    self._end(frame)
                case told.AskScheduler(request, stream):
                    self.asked[request] = self.now_ms, stream.stream_id
                case told.LeaveScheduler(request, _):
                    self.asked.pop(request, None)
                case told.Registered(request, gate, _, _):
                    self._reply(request)
                    self.gates[gate.stream_id] = gate
                case told.NotRegistered(request, why):
                    self._reply(request)
                    self.refusals[request] = why
                case told.EndCall():
                    self.calls_ended.append(one)
                    if one.code is not None:
                        todo += self.core.closed(one.gate, self.now_ms)
                case told.Report():
                    self.reports.append(one)
                case told.Note(_, text):
                    self.notes.append(text)
                case told.Mistake(_, error):
                    raise error
                case told.WakeAt(at_ms):
                    self.wake_ms = at_ms

    def _end(self, frame: HeldFrame) -> None:
        self.ended[frame] += 1
        assert self.ended[frame] == 1, "it ended twice"
        self.in_slots.discard(frame)

    def _reply(self, request: int) -> None:
        self.answered[request] += 1
        assert self.answered[request] == 1, "it was answered twice"
        del self.waiting[request]


@pytest.fixture(scope="session")
def make_shell() -> type[EndpointShell]:
    """Makes endpoints."""
    return EndpointShell


@pytest.fixture
def shell() -> EndpointShell:
    """An endpoint with two devices."""
    one = EndpointShell()
    one.attach("d0")
    one.attach("d1")
    return one
