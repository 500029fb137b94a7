"""The scheduler: its core under the virtual clock."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from random import Random

from ..core.budget_rules import budget_rule
from ..core.device import AnnouncedDevice, Device
from ..core.mode import ModeTable
from ..core.plan import Plan
from ..core.problem import Problem
from ..core.records import PlanRecord
from ..core.stream import Stream
from ..scheduling.cores.device.instructions import DeviceOrders
from ..scheduling.cores.endpoint.instructions import Report
from ..scheduling.cores.scheduler.core import SchedulerCore
from ..scheduling.cores.scheduler.instructions import (
    AnswerJoin,
    Instruction,
    NotePlan,
    PublishedPlan,
    ReportMistake,
    TellDevice,
    TellEndpoints,
    WakeAt,
)
from ..scheduling.cores.scheduler.stimuli import (
    DeviceAnnounced,
    DeviceLost,
    DeviceMetered,
    DeviceReported,
    EndpointCame,
    JoinAsked,
    JoinLeft,
    Reported,
    Stimulus,
    TenantsSet,
    Tick,
)
from ..scheduling.device_table import DeviceTable
from ..scheduling.plan_view import PlanView, RunningVariant
from ..scheduling.planning.admission import Refusal
from ..scheduling.planning.effort import TimeLimit
from ..scheduling.planning.plan_records import plan_records
from ..scheduling.planning.port import Planner
from ..scheduling.planning.registry import planner
from ..scheduling.planning.rounds import Planning
from ..scheduling.planning.switching import SwitchingCost
from ..scheduling.slowness import Slowness
from .devices import SimulatedDevice
from .events import EventQueue, Priority
from .oracle import ORACLE, told_the_truth
from .scenario import Scenario

ENDPOINT = "endpoint-0"

_log = logging.getLogger(__name__)


class SimulatedScheduler:
    """The core's shell.

    Attributes:
        num_plans: made so far.
        has_caps: of power, which meters help to keep.
    """

    def __init__(
        self,
        scenario: Scenario,
        events: EventQueue,
        on_plan: Callable[[Sequence[PlanRecord]], None] | None,
    ) -> None:
        """Knows which devices there may be."""
        self.num_plans = 0
        self._scenario = scenario
        self._events = events
        self._on_plan = on_plan
        self._types = {device.device_id: device.device_type for device in scenario.devices}
        switching = SwitchingCost(scenario.server.switching_cost_ratio)
        self._planner = _TimedPlanner(
            planner(scenario.server.planner, switching), scenario.server.plan_ms
        )
        limit = TimeLimit(lambda: self._planner.elapsed_ms)
        random = Random(scenario.seed)  # noqa: S311 plans are no secrets
        objective = scenario.server.make_objective()
        self.has_caps = objective.feedback is not None
        self._core = SchedulerCore(
            scenario.variants,
            budget_rule(scenario.server.budget_rule, scenario.variants),
            DeviceTable(
                scenario.variants,
                scenario.server.max_batch_size,
                [device.device_id for device in scenario.devices],
                _clocked(scenario),
            ),
            Planning(self._planner, random, limit, switching, objective),
            limit,
            scenario.server.plan_period_ms,
            1,
            events.now_ms,
        )
        self._core.handle(TenantsSet({}, scenario.tenants), events.now_ms)
        self._devices: Mapping[str, SimulatedDevice] = {}
        self._tell_plan: Callable[[PlanView], None] = lambda _: None
        self._replies: dict[int, Callable[[int, Refusal | None], None]] = {}
        self._known_links = {
            str(stream.key): stream.link for stream in scenario.streams if stream.policy == ORACLE
        }
        self._free_ms = 0.0  # when it is done with what it is at
        self._wake_ms = 0.0

    def attach(
        self, devices: Mapping[str, SimulatedDevice], on_plan: Callable[[PlanView], None]
    ) -> None:
        """Takes whom plans go to: the devices that are there, and the endpoint, which has no stream yet."""
        self._devices = devices
        self._tell_plan = on_plan
        self._happened(EndpointCame(ENDPOINT))
        self._happened(Reported(ENDPOINT, ()))

    def device_came(self, device: Device, generation: int) -> None:
        """A device can run frames."""
        profile = self._scenario.profiles[device.device_type]
        self._happened(DeviceAnnounced(AnnouncedDevice(device, generation, profile)))

    def device_gone(self, device: SimulatedDevice) -> None:
        """A device is gone."""
        self._happened(DeviceLost(device.device_id, device.generation))

    def join(
        self, request: int, stream: Stream, on_reply: Callable[[int, Refusal | None], None]
    ) -> None:
        """Asks for a place for one stream; `on_reply` takes the request, and the refusal or None."""
        self._replies[request] = on_reply
        self._happened(JoinAsked(ENDPOINT, request, stream))

    def leave(self, request: int, stream_id: str) -> None:
        """Takes such a question back, or the place that it was answered with."""
        self._happened(JoinLeft(ENDPOINT, request, stream_id))

    def take_report(self, report: Report) -> None:
        """Takes in how the streams fare."""
        now_ms, ahead_ms = self._events.now_ms, self._scenario.server.plan_period_ms
        opened = told_the_truth(report.opened, self._known_links, now_ms, ahead_ms)
        unopened = tuple(report.unopened)
        silent = tuple(report.silent_devices)
        overhead_ms, is_urgent = report.overhead_ms, report.is_urgent
        self._happened(
            Reported(ENDPOINT, opened, unopened, overhead_ms, is_urgent, silent_devices=silent)
        )

    def take_status(self, device: SimulatedDevice, slowness: Slowness) -> None:
        """Takes in how slow a device is."""
        self._happened(DeviceReported(device.device_id, device.generation, slowness))

    def take_meter(self, device: SimulatedDevice, total_mj: float) -> None:
        """Takes in what a device's meter has counted."""
        now_ms = self._events.now_ms
        self._happened(DeviceMetered(device.device_id, device.generation, total_mj, now_ms))

    def _happened(self, stimulus: Stimulus) -> None:
        """Hands the core a stimulus, once it is done with what it is at."""
        now_ms = self._events.now_ms
        if now_ms < self._free_ms:
            self._events.at(self._free_ms, Priority.DECISION, self._happened, stimulus)
            return
        began_ms = self._planner.elapsed_ms
        instructions = self._core.handle(stimulus, now_ms)
        round_ms = 0.0
        if any(isinstance(one, NotePlan) for one in instructions):
            spent_ms = self._planner.elapsed_ms - began_ms
            round_ms = max(spent_ms, self._scenario.server.plan_ms)
        self._free_ms = now_ms + round_ms
        for instruction in instructions:
            if isinstance(instruction, WakeAt):
                self._wake_at(instruction.at_ms)
            elif round_ms:
                self._events.at(
                    self._free_ms, Priority.DECISION, self._perform, instruction, round_ms
                )
            else:
                self._perform(instruction, round_ms)

    def _wake_at(self, at_ms: float) -> None:
        self._wake_ms = at_ms
        if at_ms < math.inf:
            at_ms = max(at_ms, self._events.now_ms)
            self._events.at(at_ms, Priority.DECISION, self._wake, self._wake_ms)

    def _wake(self, wake_ms: float) -> None:
        if wake_ms == self._wake_ms:  # else something else was decided since
            self._happened(Tick())

    def _perform(self, instruction: Instruction, round_ms: float) -> None:
        match instruction:
            case TellEndpoints(_, plan):
                self._tell_plan(self._view(plan))
            case TellDevice(order, epoch):
                device = self._devices.get(order.device_id)
                if device is not None:
                    variant = self._scenario.variants[order.variant].name
                    device.set_orders(
                        DeviceOrders(
                            variant, order.batch_size, order.arrival_fps, epoch, order.clock_mhz
                        )
                    )
            case AnswerJoin(_, request, refusal):
                self._replies.pop(request)(request, refusal)
            case NotePlan():
                self._note(instruction, round_ms)
            case ReportMistake(mistake):
                _log.error("%s", mistake.text, exc_info=mistake.error)

    def _note(self, note: NotePlan, round_ms: float) -> None:
        self.num_plans += 1
        if self._on_plan is not None:
            made = (note.epoch, self._events.now_ms, note.cause, round_ms)
            records = plan_records(*made, note.problem, note.plan, note.slowdowns)
            self._on_plan([self._with_energy(record) for record in records])

    def _with_energy(self, record: PlanRecord) -> PlanRecord:
        device = self._devices.get(record.device_id)
        return record if device is None else record._replace(total_mj=device.total_mj)

    def _view(self, plan: PublishedPlan) -> PlanView:
        scenario = self._scenario
        return PlanView(
            plan.epoch,
            {
                order.device_id: RunningVariant(
                    order.device_id,
                    order.variant,
                    order.batch_size,
                    Slowness(order.clock_ratio).of(
                        scenario.profiles[self._types[order.device_id]].by_variant[
                            scenario.variants[order.variant].name
                        ]
                    ),
                )
                for order in plan.orders
            },
            {one: place for one, place in plan.placement.items() if place is not None},
            plan.preempted,
        )


def _clocked(scenario: Scenario) -> dict[str, ModeTable]:
    """Device id to what its modes cost by clock, where plans choose clocks."""
    if not scenario.server.counts_joules:
        return {}
    return scenario.server.planned_tables(
        {one.device_id: scenario.modes[one.device_type] for one in scenario.devices}
    )


class _TimedPlanner:
    """A planner each of whose plans takes the same virtual time; `elapsed_ms` is that of all."""

    def __init__(self, planner: Planner, plan_ms: float) -> None:
        self.elapsed_ms = 0.0
        self._planner = planner
        self._plan_ms = plan_ms

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """See `Planner`."""
        self.elapsed_ms += self._plan_ms
        return self._planner.plan(problem, previous, random)
