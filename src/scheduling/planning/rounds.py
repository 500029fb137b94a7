"""Decides on plans: periodically, and for streams that want to join. No I/O."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from ...core.mode import Mode
from ...core.plan import Plan
from ...core.problem import Problem
from ...core.stream import Stream
from ..power_feedback import PowerFeedback
from ..sharing.entitlements import Entitlements
from .admission import NO_PLAN, NOT_READY, Admission, AdmissionRound
from .counter_offer import with_streams
from .effort import TimeLimit
from .objectives.accuracy import Accuracy
from .objectives.port import Objective, Reaching
from .port import Planner
from .rules import violations
from .seats import Seats, carry_over
from .stages import PROMISED, Stage, StagedPlanner, served_by_stage, stages_of
from .switching import SwitchingCost

_NOTHING = Plan((), {})


class Cause(StrEnum):
    """Why a plan was made; the first one that applies."""

    JOIN = "join"
    LEAVE = "leave"
    DEVICE_CHANGE = "device_change"
    LINK_JUMP = "link_jump"
    PERIOD = "period"


_URGENT = (Cause.JOIN, Cause.LEAVE, Cause.DEVICE_CHANGE, Cause.LINK_JUMP)


def first_cause(causes: Collection[Cause]) -> Cause:
    """What a plan is put down to that was made for several causes, or for none in particular."""
    return next((one for one in _URGENT if one in causes), Cause.PERIOD)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What a planner did wrong; no variant changes because of it.

    Attributes:
        error: that it raised, if it did.
    """

    text: str
    error: Exception | None = None


class Planning:
    """The plan in force, and how the next one comes about.

    A stream that was admitted is **pending** until it is **open**. Where others ask to be admitted, pending streams count in full,
    so that everybody who was told yes can open. In the plan in force they have a place and no say: variants are chosen for
    open streams alone, so that one who never opens takes nothing from those who do.

    Attributes:
        plan: in force; None before the first.
        problem: what it serves: the open streams, and those pending ones for which there is room beside them.
        mistake: of the planner in the last round.
        preempted: streams that had a place and have none, while some of an earlier stage are served.
    """

    def __init__(
        self,
        planner: Planner,
        random: Random,
        limit: TimeLimit,
        switching: SwitchingCost | None = None,
        objective: Objective | None = None,
    ) -> None:
        """Starts without a plan.

        Args:
            planner: keeps to the limit.
            random: the only source of chance.
            limit: of the time; started here in each round.
            switching: what a change of plan has to gain.
            objective: what plans are made for; accuracy if None.
        """
        self.plan: Plan | None = None
        self.problem: Problem | None = None
        self.mistake: Mistake | None = None
        self._objective = objective or Accuracy()
        self.preempted: frozenset[str] = frozenset()
        self._planner = planner
        self._entitlements: Entitlements = {}
        self._random = random
        self._limit = limit
        self._switching = switching or SwitchingCost()
        self._promised: Plan | None = None  # serves everybody, pending ones in full

    def entitle(self, entitlements: Entitlements) -> None:
        """Says what tenants are entitled to from the next round on."""
        self._entitlements = entitlements

    def stages(self, problem: Problem) -> Mapping[str, Stage]:
        """The stage in which each stream of a problem is planned."""
        return stages_of(problem, self._entitlements)

    def replan(
        self, problem: Problem, pending: Sequence[Stream] = (), budget_ms: float = math.inf
    ) -> None:
        """Plans anew; keeps what is in force unless a change serves more of an earlier stage, or gains what it costs.

        A planner that fails, or breaks rules, changes no variant.

        Args:
            problem: with the open streams.
            pending: admitted streams; of one that is open, too, the open form counts.
            budget_ms: for the planner.
        """
        self._limit.start(budget_ms)
        self.mistake = None
        new = self._suggestion(problem)
        problem = self._priced(problem)
        best = carry_over(problem, self.plan or _NOTHING)
        stages = self.stages(problem)
        if new is not None and (
            self.plan is None
            or not self._objective.holds(problem, best)
            or self._is_better(problem, stages, new, best, self.plan)
        ):
            best = new
        if self._promised is not None:
            promised = carry_over(problem, self._promised)
            is_better = served_by_stage(stages, promised) > served_by_stage(stages, best)
            if is_better and self._objective.holds(problem, promised):
                best = promised
            if not pending:
                self._promised = None
        self._put_in_force(problem, best, pending)

    def admit(
        self,
        problem: Problem,
        joining: Sequence[Stream],
        pending: Sequence[Stream] = (),
        budget_ms: float = math.inf,
    ) -> list[Admission]:
        """Lets streams join, each only if nobody who is served loses his place whose stage is not later; see `AdmissionRound`.

        Args:
            problem: with the open streams.
            joining: in the order in which they asked.
            pending: streams that were admitted before.
            budget_ms: for everything.
        """
        self._limit.start(budget_ms)
        self.mistake = None
        if not problem.devices:
            return [Admission(stream, NOT_READY) for stream in joining]
        problem = self._priced(problem)
        plans = [self.plan or _NOTHING, *([self._promised] if self._promised else [])]
        try:
            everybody = with_streams(problem, pending)
            may_seat = not self._objective.is_strict  # a seat asks for no power
            planner = self._whole_planner()
            admitting = AdmissionRound(
                everybody, plans, planner, self._limit, self.stages, may_seat=may_seat
            )
            admissions = admitting.run(joining)
        except Exception as error:  # noqa: BLE001 a mistake in a planner must not end the process
            self.mistake = Mistake("admission failed", error)
            return [Admission(stream, NO_PLAN) for stream in joining]
        if admitting.plan is not None:
            self._promised = admitting.plan
            admitted = [one.stream for one in admissions if one.refusal is None]
            plan = carry_over(problem, self.plan or _NOTHING)
            self._put_in_force(problem, plan, [*pending, *admitted])
        return admissions

    def _is_better(
        self, problem: Problem, stages: Mapping[str, Stage], new: Plan, kept: Plan, in_force: Plan
    ) -> bool:
        after, before = served_by_stage(stages, new), served_by_stage(stages, kept)
        if after != before:
            return after > before
        return self._switching.is_worth_it(problem, kept, new, in_force)

    def _whole_planner(self) -> Planner:
        """Plans stage by stage, at a price that fits all stages together."""
        return Reaching(self._objective, StagedPlanner(self._planner, self._entitlements))

    @property
    def feedback(self) -> PowerFeedback | None:
        """What holds the caps of power that plans are made within; None where there are none."""
        return self._objective.feedback

    def _priced(self, problem: Problem) -> Problem:
        """The problem as the objective has it; as it is where that cannot be."""
        try:
            return self._objective.priced(problem)
        except ValueError as error:
            self.mistake = Mistake(f"joules do not count: {error}")
            return problem

    def _preempted_by(self, problem: Problem, new: Plan) -> frozenset[str]:
        stages = self.stages(problem)
        served = {one for one, place in new.placement.items() if place is not None}
        first = min((stages[one] for one in served), default=PROMISED)
        before = self.plan or _NOTHING
        had = {one for one, place in before.placement.items() if place is not None}
        lost = (had | self.preempted) - served
        return frozenset(
            one.stream_id
            for one in problem.streams
            if one.stream_id in lost and stages[one.stream_id] > first and problem.is_servable(one)
        )

    def _suggestion(self, problem: Problem) -> Plan | None:
        """A sound plan of the planner, or None."""
        try:
            new = self._whole_planner().plan(problem, self.plan, self._random)
        except Exception as error:  # noqa: BLE001 as above
            self.mistake = Mistake("planning failed", error)
            return None
        broken = violations(problem, new)
        if broken:
            self.mistake = Mistake(f"the planner broke rules: {'; '.join(broken[:3])}")
        return None if broken else new

    def _put_in_force(self, problem: Problem, plan: Plan, pending: Iterable[Stream]) -> None:
        """Takes a sound plan for the open streams, and gives each pending one a place.

        That is a seat where there is room beside the others; else just the device that is quickest as things stand, until the
        stream opens and is planned for.
        """
        is_open = {stream.stream_id for stream in problem.streams}
        waiting = {one.stream_id: one for one in pending if one.stream_id not in is_open}
        self.preempted = self._preempted_by(problem, plan)
        self.problem, self.plan = problem, plan
        if not waiting or not problem.devices:
            return
        seats = Seats(problem, plan)
        seated = [stream for stream in waiting.values() if seats.add(stream)]
        self.problem = with_streams(problem, seated)
        plan = seats.plan(self.problem)
        quickest, _ = min(
            zip(problem.devices, plan.devices, strict=True),
            key=lambda both: problem.tables[both[0].device_type].p99_ms(
                Mode(both[1].mode.variant, 1)
            ),
        )
        loose = waiting.keys() - {stream.stream_id for stream in seated}
        self.plan = Plan(
            plan.devices, {**plan.placement, **dict.fromkeys(sorted(loose), quickest.device_id)}
        )
