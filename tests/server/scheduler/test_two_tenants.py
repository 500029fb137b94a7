"""Two tenants that give a stream the same name have two streams: in cores, packets and records."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from moonjelly.core.budget import FULL_BUDGET
from moonjelly.core.device import AnnouncedDevice, Device
from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.core.records import PlanRecord, ServerFrameRecord
from moonjelly.core.stream import StreamKey
from moonjelly.core.variant import Variant
from moonjelly.protos.internal_pb2 import Envelope
from moonjelly.scheduling.cores.endpoint import instructions as by_endpoint
from moonjelly.scheduling.cores.endpoint.core import EndpointCore
from moonjelly.scheduling.cores.endpoint.gate import Declared, StreamGate
from moonjelly.scheduling.cores.endpoint.held_frame import HeldFrame
from moonjelly.scheduling.cores.endpoint.stimuli import BatchDone, EndpointRules, FrameDone
from moonjelly.scheduling.cores.scheduler import instructions as by_scheduler
from moonjelly.scheduling.cores.scheduler.core import SchedulerCore
from moonjelly.scheduling.cores.scheduler.stimuli import (
    DeviceAnnounced,
    EndpointCame,
    Stimulus,
    Tick,
)
from moonjelly.scheduling.device_table import DeviceTable
from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.plan_records import plan_records
from moonjelly.scheduling.planning.pricing.pricing import PricingPlanner
from moonjelly.scheduling.planning.rounds import Planning
from moonjelly.server.endpoint.scheduler_link import SchedulerLink
from moonjelly.server.scheduler import packets
from moonjelly.server.wire.channel import encode
from moonjelly.server.zoo import ServedZoo
from moonjelly.zoos import open_zoo

PERIOD_MS = 500.0
VARIANTS = (Variant("small", 128, 0.2, 50.0),)
PROFILE = LatencyProfile("gpu", {"small": BatchLatency((20.0, 25.0), (25.0, 30.0))})
OURS, THEIRS = StreamKey("local", "gate"), StreamKey("them", "gate")
TEXTS = {"gate", "them/gate"}


class Endpoint:
    """An endpoint's core, whose scheduler is reached by packets."""

    def __init__(self, house: House, name: str) -> None:
        self.house, self.name = house, name
        self.gates: dict[StreamKey, StreamGate] = {}
        self.ended: list[StreamGate] = []
        self.sent: list[HeldFrame] = []
        self.answered: list[HeldFrame] = []
        self.wake_ms = math.inf
        rules = EndpointRules(
            max_sessions=8,
            frame_slots=64,
            max_waiting_frames=32,
            rate_tolerance_ratio=1.2,
            session_grace_ms=1e6,
            plan_period_ms=PERIOD_MS,
            budget_rule=FULL_BUDGET,
        )
        latency = PROFILE.by_variant["small"]
        self.core = EndpointCore(rules, VARIANTS, lambda *_: latency, lambda _: (), 0.0)
        self.link = SchedulerLink(
            ServedZoo(open_zoo("replayed-gpu"), VARIANTS, {"d0": PROFILE, "d1": PROFILE}),
            on_reply=lambda *reply: self.do(self.core.join_answered(*reply, house.now_ms)),
            on_plan=self.core.take_plan,
            on_superseded=lambda name: self.do(self.core.superseded(name, house.now_ms)),
            on_lost=lambda: None,
        )
        self.link._channel = self  # type: ignore[assignment]
        self.reader = packets.EndpointReader(name)
        for some in (
            self.core.memory_came(),
            self.core.scheduler_came(0.0),
            self.core.device_came("d0", 1, 0.0),
            self.core.device_came("d1", 1, 0.0),
        ):
            self.do(some)

    def send(self, envelope: Envelope) -> bool:
        stimulus = self.reader.read(Envelope.FromString(encode(envelope)))
        if stimulus is not None:
            self.house.todo.append(stimulus)
        return True

    def join(self, key: StreamKey) -> StreamGate:
        """Registers a stream, and opens it."""
        self.house.num_requests += 1
        declared = Declared(key, 10.0, 200.0, 1e5, 1.0)
        before = self.gates.get(key)
        self.do(self.core.register(self.house.num_requests, declared, self.house.now_ms))
        self.house.wait(PERIOD_MS)
        gate = self.gates[key]
        assert gate is not before
        self.do(self.core.open(gate, self.house.now_ms))
        self.house.wait(2 * PERIOD_MS)
        return gate

    def frame(self, gate: StreamGate) -> HeldFrame:
        now_ms = self.house.now_ms
        frame = HeldFrame(gate.last_sequence + 1, now_ms, 128, 50.0, 1.0, 1e5)
        frame.gate = gate
        self.do(self.core.take(frame, 1.0, None))
        if frame.note is None:
            self.do(self.core.dispatch(frame, None, now_ms))
        return frame

    def run(self, device_id: str) -> None:
        """A device answers what it was sent."""
        now_ms = self.house.now_ms
        mine = [one for one in self.sent if one.device_id == device_id]
        self.sent = [one for one in self.sent if one.device_id != device_id]
        done = [FrameDone(one.ticket) for one in mine]
        batch = BatchDone(done, "small", len(done), 20.0, 1)
        self.do(self.core.results(device_id, 1, batch, now_ms))

    def do(self, instructions: list[Any]) -> None:
        for one in instructions:
            match one:
                case by_endpoint.AskScheduler():
                    assert self.link.ask(one)
                case by_endpoint.LeaveScheduler():
                    self.link.leave(one)
                case by_endpoint.Report():
                    self.link.report(one)
                case by_endpoint.Registered(_, gate):
                    self.gates[gate.declared.key] = gate
                case by_endpoint.EndCall(gate):
                    self.ended.append(gate)
                case by_endpoint.Dispatch(frame):
                    self.sent.append(frame)
                case by_endpoint.Answer(frame):
                    self.answered.append(frame)
                case by_endpoint.WakeAt(at_ms):
                    self.wake_ms = at_ms
                case by_endpoint.NotRegistered() | by_endpoint.Mistake():
                    raise AssertionError(one)


class House:
    """Two endpoints and a scheduler."""

    def __init__(self) -> None:
        self.now_ms, self.wake_ms, self.num_requests = 0.0, math.inf, 0
        self.todo: list[Stimulus] = []
        self.plans: list[by_scheduler.PublishedPlan] = []
        self.records: list[PlanRecord] = []
        limit = TimeLimit(lambda: 0.0)
        self.core = SchedulerCore(
            VARIANTS,
            FULL_BUDGET,
            DeviceTable(VARIANTS, 2, ("d0", "d1")),
            Planning(PricingPlanner(steps=20), Random(0), limit),
            limit,
            PERIOD_MS,
            2,
            0.0,
        )
        self.todo += [EndpointCame(name) for name in ("endpoint-0", "endpoint-1")]
        for device_id in ("d0", "d1"):
            device = AnnouncedDevice(Device(device_id, "gpu"), 1, PROFILE)
            self.todo.append(DeviceAnnounced(device))
        self.endpoints = {name: Endpoint(self, name) for name in ("endpoint-0", "endpoint-1")}
        self.wait(PERIOD_MS)

    def wait(self, duration_ms: float) -> None:
        """Lets time pass; who is open sends frames, as a stream without any gets no place."""
        for end_ms in range(int(self.now_ms) + 100, int(self.now_ms + duration_ms) + 1, 100):
            self._wait_until(end_ms)
            for endpoint in self.endpoints.values():
                for gate in endpoint.gates.values():
                    if gate.is_open and not gate.is_over:
                        endpoint.frame(gate)
                for device_id in ("d0", "d1"):
                    endpoint.run(device_id)

    def _wait_until(self, end_ms: float) -> None:
        while True:
            while self.todo:
                self.do(self.core.handle(self.todo.pop(0), self.now_ms))
            wake_ms = min(self.wake_ms, *(one.wake_ms for one in self.endpoints.values()))
            if wake_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, wake_ms)
            for one in self.endpoints.values():
                if one.wake_ms <= self.now_ms:
                    one.do(one.core.tick(self.now_ms))
            if self.wake_ms <= self.now_ms:
                self.todo.append(Tick())
        self.now_ms = end_ms

    def do(self, instructions: list[Any]) -> None:
        for one in instructions:
            match one:
                case by_scheduler.TellEndpoints(names, plan):
                    self.plans.append(plan)
                    for name in names:
                        for envelope in packets.plan_for_endpoints(plan, VARIANTS):
                            self.tell(name, envelope)
                case by_scheduler.AnswerJoin(name):
                    self.tell(name, packets.join_reply(one))
                case by_scheduler.Supersede(name):
                    self.tell(name, packets.superseded(one))
                case by_scheduler.NotePlan(cause, epoch, problem, plan):
                    self.records += plan_records(
                        epoch, self.now_ms, cause, 0.0, problem, plan, one.slowdowns
                    )
                case by_scheduler.WakeAt(at_ms):
                    self.wake_ms = at_ms

    def tell(self, name: str, envelope: Envelope) -> None:
        self.endpoints[name].link._on_packet(Envelope.FromString(encode(envelope)), ())

    @property
    def placed(self) -> set[str]:
        return {one for one, place in self.plans[-1].placement.items() if place}


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("name", ["endpoint-0", "endpoint-1"])
def test_both_are_admitted_planned_and_placed_wherever_they_join(house, name) -> None:
    ours = house.endpoints["endpoint-0"].join(OURS)
    theirs = house.endpoints[name].join(THEIRS)
    assert (ours.stream_id, theirs.stream_id) == ("gate", "them/gate")
    assert not ours.is_over
    assert not theirs.is_over
    assert house.placed == TEXTS
    assert {one.stream_id for one in house.core._streams.opened()} == TEXTS
    assert set(house.endpoints[name].core.plan.placement) == TEXTS
    assert sum(one.num_streams for one in house.records[-2:]) == 2


def test_a_frame_of_one_is_answered_to_that_one(house) -> None:
    endpoint = house.endpoints["endpoint-0"]
    gates = [endpoint.join(key) for key in (OURS, THEIRS)]
    house._wait_until(house.now_ms + 100)
    before = [gate.num_answered for gate in gates]
    frames = [endpoint.frame(gate) for gate in gates]
    for device_id in ("d0", "d1"):
        endpoint.run(device_id)
    assert {id(one) for one in endpoint.answered[-2:]} == {id(one) for one in frames}
    assert [gate.num_answered for gate in gates] == [one + 1 for one in before]
    rows: list[ServerFrameRecord] = [one.server_record(house.now_ms) for one in frames]
    assert [one.stream_id for one in rows] == ["gate", "them/gate"]


def test_one_that_registers_again_ends_its_own_older_session_alone(house) -> None:
    here, elsewhere = house.endpoints.values()
    ours, theirs = here.join(OURS), here.join(THEIRS)
    again = here.join(OURS)
    assert (ours.is_over, theirs.is_over, again.is_over) == (True, False, False)
    moved = elsewhere.join(THEIRS)
    assert (theirs.is_over, moved.is_over, again.is_over) == (True, False, False)
    assert here.ended == [ours, theirs]
    assert not elsewhere.ended
    assert house.placed == TEXTS


def test_of_two_one_leaves(house) -> None:
    endpoint = house.endpoints["endpoint-0"]
    ours, theirs = endpoint.join(OURS), endpoint.join(THEIRS)
    endpoint.do(endpoint.core.closed(ours, house.now_ms))
    house.wait(2 * PERIOD_MS)
    assert not theirs.is_over
    assert house.placed == {"them/gate"}
    assert {one.stream_id for one in house.core._streams.opened()} == {"them/gate"}


def test_who_hangs_up_takes_nothing_from_the_other(house) -> None:
    endpoint = house.endpoints["endpoint-0"]
    theirs = endpoint.join(THEIRS)
    declared = Declared(OURS, 10.0, 200.0, 1e5, 1.0)
    endpoint.do(endpoint.core.register(99, declared, house.now_ms))
    endpoint.do(endpoint.core.hang_up(99))
    house.wait(2 * PERIOD_MS)
    assert not theirs.is_over
    assert house.placed == {"them/gate"}
