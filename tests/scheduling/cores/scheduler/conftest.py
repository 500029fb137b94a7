"""A scheduler's core with a shell for tests: time moves when the test says so, or when planners work."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from moonjelly.core.budget import FULL_BUDGET
from moonjelly.core.device import AnnouncedDevice, Device
from moonjelly.core.mode import ModeTable
from moonjelly.core.plan import Plan
from moonjelly.core.problem import Problem
from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.cores.scheduler.core import SchedulerCore
from moonjelly.scheduling.cores.scheduler.instructions import (
    AnswerJoin,
    Instruction,
    NotePlan,
    Supersede,
    TellDevice,
    TellEndpoints,
    WakeAt,
)
from moonjelly.scheduling.cores.scheduler.stimuli import (
    DeviceAnnounced,
    EndpointCame,
    JoinAsked,
    Reported,
    Stimulus,
    Tick,
)
from moonjelly.scheduling.device_table import DeviceTable
from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.objectives.port import Objective
from moonjelly.scheduling.planning.port import Planner
from moonjelly.scheduling.planning.pricing.pricing import PricingPlanner
from moonjelly.scheduling.planning.rounds import Planning
from moonjelly.scheduling.planning.rules import violations

PERIOD_MS = 500.0
VARIANTS = (Variant("small", 128, 0.2, 50.0), Variant("large", 416, 0.4, 300.0))
LATENCY = ((5.0, 6.0, 7.0, 8.0), (20.0, 30.0, 40.0, 50.0))  # 500 and 80 frames/s


def client(stream_id: str, fps: float = 10.0, slo_ms: float = 200.0, kbps: float = 1e5) -> Stream:
    return Stream(stream_id, fps, slo_ms, kbps)


def came(device_id: str, generation: int = 1, *, is_leaving: bool = False) -> DeviceAnnounced:
    latencies = {
        one.name: BatchLatency(row, row) for one, row in zip(VARIANTS, LATENCY, strict=True)
    }
    device, profile = Device(device_id, "gpu"), LatencyProfile("gpu", latencies)
    return DeviceAnnounced(AnnouncedDevice(device, generation, profile, is_leaving=is_leaving))


class CostlyPlanner:
    """Plans as another planner, and takes time for it; keeps to the limit as far as it is told to."""

    def __init__(self, planner: Planner, cost_ms: float = 0.0) -> None:
        self.planner = planner
        self.cost_ms = cost_ms
        self.is_obedient = True
        self.elapsed_ms = 0.0
        self.limit = TimeLimit(lambda: self.elapsed_ms)
        self.planned_ms: list[float] = []

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        cost_ms = self.cost_ms
        if self.is_obedient:
            cost_ms = min(cost_ms, max(0.0, self.limit.left_ms))
        self.elapsed_ms += cost_ms
        return self.planner.plan(problem, previous, random)


class CoreHarness:
    """The core and its shell.

    Attributes:
        answers: request to refusal, of every answer.
        replans_ms: when plans were made that are no answers.
    """

    def __init__(
        self,
        num_devices: int = 1,
        num_endpoints: int = 1,
        cost_ms: float = 0.0,
        objective: Objective | None = None,
        clocked: dict[str, ModeTable] | None = None,
    ) -> None:
        self.planner = CostlyPlanner(PricingPlanner(steps=20), cost_ms)
        limit = self.planner.limit
        self.planning = Planning(self.planner, Random(0), limit, objective=objective)
        self.core = SchedulerCore(
            VARIANTS,
            FULL_BUDGET,
            DeviceTable(VARIANTS, 4, [f"d{number}" for number in range(num_devices)], clocked),
            self.planning,
            limit,
            PERIOD_MS,
            num_endpoints,
            0.0,
        )
        self.num_devices = num_devices
        self.now_ms = 0.0
        self.wake_ms = math.inf
        self.answers: dict[tuple[str, int], AnswerJoin] = {}
        self.answered_ms: dict[tuple[str, int], float] = {}
        self.superseded: list[tuple[str, str]] = []
        self.replans_ms: list[float] = []
        self.notes: list[NotePlan] = []
        self.told: dict[str, TellEndpoints] = {}
        self.orders: dict[str, TellDevice] = {}
        self._requests = 0
        replan = self.planning.replan

        def noted(*arguments: Any) -> None:
            self.replans_ms.append(self.now_ms)
            replan(*arguments)

        self.planning.replan = noted  # type: ignore[method-assign]

    @property
    def placement(self) -> dict[str, str | None]:
        return dict(self.told["e0"].plan.placement)

    @property
    def variant(self) -> str:
        """Of the first device."""
        return VARIANTS[self.orders["d0"].order.variant].name

    def start(self) -> None:
        """Everybody is there, and a first plan is made."""
        for number in range(self.core._num_endpoints):
            self.feed(EndpointCame(f"e{number}"))
            self.feed(Reported(f"e{number}", ()))
        for number in range(self.num_devices):
            self.feed(came(f"d{number}"))
        self.wait(1.0)

    def feed(self, stimulus: Stimulus) -> list[Instruction]:
        began_ms = self.planner.elapsed_ms
        instructions = self.core.handle(stimulus, self.now_ms)
        spent_ms = self.planner.elapsed_ms - began_ms
        assert isinstance(stimulus, Tick) or not spent_ms
        self.now_ms += spent_ms
        self.core.check_invariants()
        for instruction in instructions:
            self._perform(instruction)
        return instructions

    def ask(self, wanted: Stream, endpoint: str = "e0") -> int:
        self._requests += 1
        self.feed(JoinAsked(endpoint, self._requests, wanted))
        return self._requests

    def wait(self, duration_ms: float) -> None:
        """Lets time pass, and wakes the core when it wants to be woken."""
        end_ms = self.now_ms + duration_ms
        while self.wake_ms <= end_ms:
            self.now_ms = max(self.now_ms, self.wake_ms)
            before = self.wake_ms
            done = self.feed(Tick())
            assert WakeAt(self.wake_ms) in done, "a shell that was woken once is not told again"
            has_answered = any(isinstance(one, AnswerJoin) for one in done)
            assert self.wake_ms != before or has_answered, "it would be woken for ever"
        self.now_ms = max(self.now_ms, end_ms)

    def refusal(self, request: int, endpoint: str = "e0") -> str | None:
        refusal = self.answers[endpoint, request].refusal
        return None if refusal is None else str(refusal.reason)

    def _perform(self, instruction: Instruction) -> None:
        match instruction:
            case AnswerJoin(endpoint, request):
                assert (endpoint, request) not in self.answers, "answered twice"
                self.answers[endpoint, request] = instruction
                self.answered_ms[endpoint, request] = self.now_ms
            case Supersede(endpoint, stream_id):
                self.superseded.append((endpoint, stream_id))
            case TellEndpoints(endpoints):
                for endpoint in endpoints:
                    self.told[endpoint] = instruction
            case TellDevice(order):
                self.orders[order.device_id] = instruction
            case NotePlan(_, _, problem, plan, _):
                self.notes.append(instruction)
                known = {one.stream_id for one in problem.streams}
                placed = {one: where for one, where in plan.placement.items() if one in known}
                assert violations(problem, replace(plan, placement=placed)) == []
            case WakeAt(at_ms):
                self.wake_ms = at_ms


@pytest.fixture
def make_core() -> type[CoreHarness]:
    return CoreHarness


@pytest.fixture
def core() -> CoreHarness:
    """With one device and one endpoint, and a first plan."""
    harness = CoreHarness()
    harness.start()
    return harness


@pytest.fixture
def stream() -> Any:
    return client


@pytest.fixture
def announced() -> Any:
    return came
