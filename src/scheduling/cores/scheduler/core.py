"""The scheduler's decisions, as a state machine."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ....core.budget import BudgetRule
from ....core.problem import Problem
from ....core.stream import Stream
from ....core.variant import Variant
from ...device_table import DeviceTable
from ...planning.admission import NAME_TAKEN, NOT_READY, Refusal
from ...planning.effort import TimeLimit
from ...planning.rounds import Cause, Planning
from ...planning.rules import device_power
from ...quotas import Quotas, over_quota
from .instructions import (
    AnswerJoin,
    Instruction,
    NotePlan,
    PublishedPlan,
    ReportMistake,
    Supersede,
    TellDevice,
    TellEndpoints,
    WakeAt,
)
from .publication import Publication
from .rhythm import Rhythm
from .stimuli import (
    DeviceAnnounced,
    DeviceLost,
    DeviceMetered,
    DeviceReported,
    EndpointCame,
    EndpointLost,
    JoinAsked,
    JoinLeft,
    Reported,
    Stimulus,
    TenantsSet,
    Tick,
)
from .streams import StreamTable


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A join that has no answer yet."""

    endpoint: str
    request: int
    stream: Stream
    since_ms: float


class SchedulerCore:
    """Takes what happens, and tells what to do about it.

    Every join is answered once, or forgotten with whoever asked. There is a plan in every period while there are streams, whatever
    else happens, and soon after joins, leaves and jumps of links or devices. A round is one plan, or one answer to all who wait;
    where both are due they take turns.

    It has no clock: whoever drives it says what time it is, and calls again at the time that the last `WakeAt` names. The stopwatch in
    `limit` tells only how long its own rounds take.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        rule: BudgetRule,
        devices: DeviceTable,
        planning: Planning,
        limit: TimeLimit,
        period_ms: float,
        num_endpoints: int,
        now_ms: float,
    ) -> None:
        """Starts with nothing there.

        Args:
            variants: least accurate first.
            rule: of all streams' budgets.
            devices: none of them there.
            planning: without a plan.
            limit: that of `planning`.
            period_ms: time between plans.
            num_endpoints: how many are expected before the first plan.
            now_ms: when it starts.
        """
        self._variants = tuple(variants)
        self._rule = rule
        self._devices = devices
        self._planning = planning
        self._feedback = planning.feedback
        if self._feedback is not None:
            self._feedback.expect_meters()
        self._limit = limit
        self._rhythm = Rhythm(period_ms, now_ms)
        self._num_endpoints = num_endpoints
        self._streams = StreamTable()
        self._publication = Publication()
        self._heard_ms: dict[str, float] = {}  # when a device said a word
        self._quotas: Quotas = {}
        self._joins: list[_Waiting] = []
        self._wake_ms = math.inf
        self._out: list[Instruction] = []

    def handle(self, stimulus: Stimulus, now_ms: float) -> list[Instruction]:
        """Takes one stimulus; returns what is to be done, in order.

        All but `Tick` take next to no time.
        """
        self._out = []
        match stimulus:
            case Tick():
                if now_ms >= self._due_ms():
                    self._round(now_ms)
            case JoinAsked():
                self._ask(stimulus, now_ms)
            case JoinLeft():
                self._leave(stimulus)
            case Reported():
                self._take_report(stimulus, now_ms)
            case EndpointCame(endpoint):
                self._lose_endpoint(endpoint)
                self._streams.add_endpoint(endpoint)
                if self._publication.plan is not None:
                    self._out.append(TellEndpoints((endpoint,), self._publication.plan))
            case EndpointLost(endpoint):
                self._lose_endpoint(endpoint)
            case DeviceAnnounced(device):
                self._heard_ms[device.device_id] = now_ms
                if self._devices.announce(device):
                    self._rhythm.want(Cause.DEVICE_CHANGE)
                    if self._publication.plan is not None:
                        self._order(self._publication.plan, {device.device_id})
            case DeviceLost(device_id, generation):
                if self._devices.lose(device_id, generation):
                    self._rhythm.want(Cause.DEVICE_CHANGE)
                    if self._feedback is not None:
                        self._feedback.lost(device_id)
            case TenantsSet(quotas, entitlements):
                self._quotas = quotas
                self._planning.entitle(entitlements)
            case DeviceReported(device_id, generation):
                if self._devices.is_current(device_id, generation):
                    self._observe(stimulus, now_ms)
            case DeviceMetered(device_id, generation):
                if self._devices.is_current(device_id, generation):
                    self._meter(stimulus)
        wake_ms = self._due_ms()
        if wake_ms != self._wake_ms or isinstance(stimulus, Tick):
            self._wake_ms = wake_ms
            self._out.append(WakeAt(wake_ms))
        return self._out

    def check_invariants(self) -> None:
        """Raises AssertionError where the state contradicts itself; for tests."""
        self._streams.check_invariants()
        endpoints = set(self._streams.endpoints)
        asked = [(one.endpoint, one.request) for one in self._joins]
        if len(set(asked)) != len(asked):
            raise AssertionError("a request waits twice")
        if not {endpoint for endpoint, _ in asked} <= endpoints:
            raise AssertionError("a join waits whose endpoint is gone")
        if asked and self._wake_ms == math.inf:
            raise AssertionError("a join waits, and nobody wakes up for it")

    def _ask(self, asked: JoinAsked, now_ms: float) -> None:
        if asked.endpoint not in self._streams.endpoints:
            return
        if self._streams.is_taken(asked.endpoint, asked.stream.stream_id, asked.older_proof):
            epoch = self._publication.epoch
            self._out.append(AnswerJoin(asked.endpoint, asked.request, NAME_TAKEN, epoch))
            return
        self._joins.append(_Waiting(asked.endpoint, asked.request, asked.stream, now_ms))
        self._rhythm.asked(now_ms)

    def _leave(self, left: JoinLeft) -> None:
        self._joins = [
            one
            for one in self._joins
            if (one.endpoint, one.request) != (left.endpoint, left.request)
        ]
        if self._streams.leave(left.endpoint, left.request, left.stream_id):
            self._rhythm.want(Cause.LEAVE)

    def _lose_endpoint(self, endpoint: str) -> None:
        self._joins = [one for one in self._joins if one.endpoint != endpoint]
        if self._streams.lose_endpoint(endpoint):
            self._rhythm.want(Cause.LEAVE)

    def _observe(self, said: DeviceReported, now_ms: float) -> None:
        self._heard_ms[said.device_id] = now_ms
        if self._devices.observe(said.device_id, said.slowness, said.broken):
            self._rhythm.want(Cause.DEVICE_CHANGE)

    def _meter(self, read: DeviceMetered) -> None:
        """Holds caps of power by what devices draw; one that is exceeded has a plan made at once."""
        feedback = self._feedback
        if feedback is not None and feedback.read(read.device_id, read.total_mj, read.at_ms):
            self._rhythm.want(Cause.DEVICE_CHANGE)

    def _take_report(self, report: Reported, now_ms: float) -> None:
        if report.endpoint not in self._streams.endpoints:
            return
        self._publication.count_from(report.plan_epoch)
        changes = self._streams.take(report)
        self._out += [Supersede(endpoint, stream) for endpoint, stream in changes.superseded]
        for device_id in report.silent_devices:
            is_heard = self._heard_ms.get(device_id) == now_ms
            if not is_heard and self._devices.silence(device_id):
                self._rhythm.want(Cause.DEVICE_CHANGE)
        if changes.has_opened:
            self._rhythm.want(Cause.JOIN)
        if changes.has_left:
            self._rhythm.want(Cause.LEAVE)
        elif report.is_urgent:
            self._rhythm.want(Cause.LINK_JUMP)

    def _due_ms(self) -> float:
        """When the next round is due."""
        if self._joins and not self._devices.num_ready:
            return -math.inf  # there is nothing to think about
        return self._rhythm.due_ms(
            has_heard_all=self._rhythm.has_begun
            or (self._streams.num_spoken >= self._num_endpoints and self._devices.has_all_expected),
            has_joins=bool(self._joins),
            has_streams=not self._streams.is_empty,
        )

    def _round(self, now_ms: float) -> None:
        """Plans, or answers those who want to join."""
        if self._joins and not self._devices.num_ready:
            self._answer({one.stream.stream_id: NOT_READY for one in self._joins})
            return
        began_ms = self._limit.elapsed_ms()
        if self._streams.forget(now_ms):
            self._rhythm.want(Cause.LEAVE)
        must_plan = not self._joins or (
            not self._streams.is_empty
            and self._rhythm.must_plan_first(now_ms, min(one.since_ms for one in self._joins))
        )
        if must_plan:
            self._plan(now_ms)
        else:
            self._admit(now_ms)
        self._rhythm.rest(now_ms + self._limit.elapsed_ms() - began_ms)

    def _plan(self, now_ms: float) -> None:
        cause = self._rhythm.plan(now_ms)
        problem = self._problem()
        if not problem.devices:
            return  # streams stay where they are; the endpoints know which executors live
        self._planning.replan(problem, self._streams.pending(), self._rhythm.plan_budget_ms)
        self._publish(cause, now_ms)

    def _admit(self, now_ms: float) -> None:
        """Answers all who wait; those who may join are told after the plan that has a place for them."""
        self._joins.sort(key=lambda one: (one.since_ms, one.endpoint, one.request))
        joining = {one.stream.stream_id: one.stream for one in self._joins}
        pending = self._streams.pending()
        over = over_quota(self._quotas, joining.values(), (*self._streams.opened(), *pending))
        admissions = self._planning.admit(
            self._problem(),
            tuple(one for one in joining.values() if one.stream_id not in over),
            pending,
            self._rhythm.admission_budget_ms,
        )
        refusals = {one.stream.stream_id: one.refusal for one in admissions} | over
        for one in self._joins:
            if refusals[one.stream.stream_id] is None:
                stream = joining[one.stream.stream_id]
                self._streams.admit(one.endpoint, one.request, stream, now_ms)
        self._publish(Cause.JOIN, now_ms)
        self._answer(refusals)

    def _answer(self, refusals: Mapping[str, Refusal | None]) -> None:
        """Tells all who wait."""
        self._out += [
            AnswerJoin(
                one.endpoint, one.request, refusals[one.stream.stream_id], self._publication.epoch
            )
            for one in self._joins
        ]
        self._joins = []

    def _problem(self) -> Problem:
        devices, tables = self._devices.problem_part()
        return Problem(
            devices=devices,
            variants=self._variants,
            tables=tables,
            streams=self._streams.opened(),
            overhead_ms=self._streams.overhead_ms,
            budget_rule=self._rule,
        )

    def _publish(self, cause: Cause, now_ms: float) -> None:
        """Tells everybody of the plan in force if it has changed."""
        planning = self._planning
        if planning.mistake is not None:
            self._out.append(ReportMistake(planning.mistake))
        if planning.plan is None or planning.problem is None:
            return
        if self._feedback is not None:
            power = device_power(planning.problem, planning.plan) or {}
            parts_w = {name: (one.idle_w, one.above_idle_w) for name, one in power.items()}
            self._feedback.planned(parts_w, now_ms)
        if self._publication.update(planning.problem, planning.plan, planning.preempted):
            plan = self._publication.plan
            if plan is not None:
                self._out.append(TellEndpoints(self._streams.endpoints, plan))
                self._order(plan, self._devices.device_ids)
        self._out.append(
            NotePlan(
                cause,
                self._publication.epoch,
                planning.problem,
                planning.plan,
                self._devices.slowdowns(),
            )
        )

    def _order(self, plan: PublishedPlan, device_ids: Collection[str]) -> None:
        self._out += [
            TellDevice(order, plan.epoch) for order in plan.orders if order.device_id in device_ids
        ]
