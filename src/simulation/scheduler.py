"""The scheduler: when plans are made, and whom they reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..core.plan import Plan
from ..core.problem import Client, Problem
from ..core.records import PlanRecord
from ..profiles import latency_table
from ..scheduling.budgets import budget_rule
from ..scheduling.device_core import DeviceOrders
from ..scheduling.device_table import DeviceTable
from ..scheduling.pacing import LEAST_PLAN_GAP_MS
from ..scheduling.plan_view import PlanView, RunningVariant
from ..scheduling.planning.plan_records import arrival_fps, plan_records
from ..scheduling.planning.registry import planner
from ..scheduling.planning.rounds import Admission, Cause, Planning, Refusal, first_cause
from ..scheduling.planning.switching import SwitchingCost
from .devices import SimulatedDevice
from .events import EventQueue, Priority
from .scenario import Scenario


class SimulatedScheduler:
    """Plans periodically, and soon after joins, leaves and jumps of links or devices.

    Attributes:
        view: the plan in force.
        num_plans: made so far.
    """

    def __init__(
        self,
        scenario: Scenario,
        events: EventQueue,
        on_plan: Callable[[Sequence[PlanRecord]], None] | None,
    ) -> None:
        """Knows the devices, which are ready from the start, and no stream."""
        self.view = PlanView()
        self.num_plans = 0
        self._scenario = scenario
        self._budget_rule = budget_rule(scenario.server.budget_rule, scenario.variants)
        self._events = events
        self._on_plan = on_plan
        self._table = DeviceTable(
            scenario.devices,
            {
                device.device_id: latency_table(
                    scenario.profiles[device.device_type],
                    scenario.variants,
                    scenario.server.max_batch_size,
                )
                for device in scenario.devices
            },
        )
        for device in scenario.devices:
            self._table.add(device.device_id)
        self._types = {device.device_id: device.device_type for device in scenario.devices}
        switching = SwitchingCost(scenario.server.switching_cost_ratio)
        self._planning = Planning(
            planner(scenario.server.planner, switching),
            scenario.seed,
            lambda: events.now_ms,
            switching,
        )
        self._devices: Mapping[str, SimulatedDevice] = {}
        self._clients: dict[str, Client] = {}
        self._admitted: dict[str, Client] = {}  # who has not heard of it yet
        self._overhead_ms = 0.0
        self._joins: list[tuple[Client, Callable[[Refusal | None], None]]] = []
        self._causes: set[Cause] = set()
        self._due_ms = math.inf  # of the next plan
        self._planned_ms = -math.inf
        self._published: tuple[object, ...] = ()

    def attach(self, devices: Mapping[str, SimulatedDevice]) -> None:
        """Takes the devices that orders go to, and has a first plan made, for no stream."""
        self._devices = devices
        self._want(Cause.DEVICE_CHANGE)

    def join(self, client: Client, on_reply: Callable[[Refusal | None], None]) -> None:
        """Asks for a place for one stream; `on_reply` takes the refusal, or None."""
        self._joins.append((self._ruled(client), on_reply))
        self._want(Cause.JOIN)

    def take_report(
        self, clients: Sequence[Client], overhead_ms: float, *, is_urgent: bool
    ) -> None:
        """Takes in how the streams fare."""
        has_lost = len(clients) + len(self._admitted) < len(self._clients)
        self._clients = {client.client_id: self._ruled(client) for client in clients}
        self._clients.update(self._admitted)
        self._overhead_ms = overhead_ms
        if has_lost:
            self._want(Cause.LEAVE)
        elif is_urgent:
            self._want(Cause.LINK_JUMP)

    def take_status(self, device_id: str, slowdown_ratio: float) -> None:
        """Takes in how slow a device is."""
        if self._table.observe(device_id, slowdown_ratio, self._events.now_ms):
            self._want(Cause.DEVICE_CHANGE)

    def _ruled(self, client: Client) -> Client:
        """The client under the server's budget rule."""
        if client.budget_rule is self._budget_rule:
            return client
        return replace(client, budget_rule=self._budget_rule)

    def _want(self, cause: Cause) -> None:
        self._causes.add(cause)
        self._plan_at(max(self._events.now_ms, self._planned_ms + LEAST_PLAN_GAP_MS))

    def _plan_at(self, at_ms: float) -> None:
        if at_ms < self._due_ms:
            self._due_ms = at_ms
            self._events.at(at_ms, Priority.DECISION, self._plan_if_due, at_ms)

    def _plan_if_due(self, at_ms: float) -> None:
        if at_ms != self._due_ms:
            return  # an earlier one was made instead
        self._due_ms = math.inf
        self._planned_ms = at_ms + self._scenario.server.plan_ms
        if self._table.forget(at_ms):
            self._causes.add(Cause.DEVICE_CHANGE)
        cause = first_cause(self._causes)
        self._causes.clear()
        if self._joins:
            self._admit()
            self._want(Cause.JOIN)  # the plan that makes the best of it
        else:
            problem = self._problem()
            plan = self._planning.replan(problem)
            if plan is not None:
                self._when_planned(self._publish, problem, plan, cause)
        if self._clients or self._joins:
            next_ms = at_ms + self._scenario.server.plan_period_ms
            self._plan_at(max(next_ms, self._planned_ms + LEAST_PLAN_GAP_MS))

    def _when_planned(self, action: Callable[..., None], *arguments: object) -> None:
        """Calls an action once the plan that is being made would be there."""
        if self._scenario.server.plan_ms:
            self._events.at(self._planned_ms, Priority.DECISION, action, *arguments)
        else:
            action(*arguments)

    def _admit(self) -> None:
        joins, self._joins = self._joins, []
        replies = {client.client_id: on_reply for client, on_reply in joins}
        admissions = self._planning.admit(
            self._problem(), [client for client, _ in joins], math.inf
        )
        for admission in admissions:
            if admission.refusal is None:
                self._admitted[admission.client.client_id] = admission.client
        self._clients.update(self._admitted)
        plan = self._planning.plan
        if plan is not None:
            self._when_planned(self._publish, self._problem(), plan, Cause.JOIN)
        for admission in admissions:
            reply = replies[admission.client.client_id]
            self._when_planned(self._reply, admission, reply)

    def _reply(self, admission: Admission, on_reply: Callable[[Refusal | None], None]) -> None:
        self._admitted.pop(admission.client.client_id, None)
        on_reply(admission.refusal)

    def _problem(self) -> Problem:
        devices, latencies = self._table.problem_part()
        return Problem(
            devices=devices,
            variants=self._scenario.variants,
            latency_ms=latencies,
            clients=tuple(self._clients[name] for name in sorted(self._clients)),
            overhead_ms=self._overhead_ms,
        )

    def _publish(self, problem: Problem, plan: Plan, cause: Cause) -> None:
        """Puts a plan in force, and counts it if anything has changed."""
        self.num_plans += 1
        fps = arrival_fps(problem, plan)
        published = (plan.devices, fps, dict(plan.placement))
        if published != self._published:
            self._published = published
            self.view = self._view(plan)
            for device in plan.devices:
                self._devices[device.device_id].set_orders(
                    DeviceOrders(
                        problem.variants[device.variant].name,
                        device.batch_size,
                        fps.get(device.device_id, 0.0),
                        self.view.epoch,
                    )
                )
        if self._on_plan is not None:
            self._on_plan(
                plan_records(
                    self.view.epoch,
                    self._events.now_ms,
                    cause,
                    self._scenario.server.plan_ms,
                    problem,
                    plan,
                )
            )

    def _view(self, plan: Plan) -> PlanView:
        scenario = self._scenario
        return PlanView(
            self.view.epoch + 1,
            {
                device.device_id: RunningVariant(
                    device.device_id,
                    device.variant,
                    device.batch_size,
                    scenario.profiles[self._types[device.device_id]].by_variant[
                        scenario.variants[device.variant].name
                    ],
                )
                for device in plan.devices
            },
            {stream_id: place for stream_id, place in plan.placement.items() if place is not None},
        )
