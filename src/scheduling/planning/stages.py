"""Plans by stages, where not everybody can be served: what tenants were promised first, then one weight after the other.

Each stage has what is left by those before: its streams are served only if nobody of an earlier one loses a place for it.
Variants are chosen for all of them together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from ...core.plan import Plan
from ...core.problem import Problem
from ...core.stream import Stream, StreamKey
from ..sharing.entitlements import PLAIN, Entitlements
from .capacity import capacity_fps
from .port import Planner
from .seats import Seats, carry_over

ROUNDING_RATIO = 1e-6


class Stage(NamedTuple):
    """When a stream is planned for; the least comes first.

    Attributes:
        is_beyond: whether it is beyond what its tenant was promised; False comes first.
        lightness: of those beyond, the tenant's weight, negative.
    """

    is_beyond: bool
    lightness: int = 0


PROMISED = Stage(is_beyond=False)
Staging = Callable[[Problem], Mapping[str, Stage]]
"""Tells of each stream of a problem in which stage it is planned."""


def stages_of(problem: Problem, entitlements: Entitlements) -> dict[str, Stage]:
    """The stage of each stream. Of a tenant's streams, in the problem's order, those are promised that fit into its floors."""
    if not entitlements:
        return dict.fromkeys((one.stream_id for one in problem.streams), PROMISED)
    left = {
        tenant: _Floors(one.min_fps or 0.0, one.min_share_ratio or 0.0)
        for tenant, one in entitlements.items()
    }
    stages = {}
    for stream in problem.streams:
        tenant = StreamKey.parse(stream.stream_id).tenant
        floors = left.get(tenant)
        if floors is not None and floors.take(problem, stream):
            stages[stream.stream_id] = PROMISED
        else:
            weight = entitlements.get(tenant, PLAIN).total_weight
            stages[stream.stream_id] = Stage(is_beyond=True, lightness=-weight)
    return stages


def served_by_stage(stages: Mapping[str, Stage], plan: Plan) -> tuple[int, ...]:
    """How many streams of each stage a plan serves, first stage first; of two plans the greater tuple is the better one."""
    served = dict.fromkeys(sorted(set(stages.values())), 0)
    for stream_id, place in plan.placement.items():
        if place is not None and stream_id in stages:
            served[stages[stream_id]] += 1
    return tuple(served.values())


def share_ratio(problem: Problem, stream: Stream) -> float:
    """The part of all devices that a stream needs at least: at its rate, with the smallest variant; 1 if it cannot be served."""
    budget_ms = problem.budget_ms(stream, 0)
    total_fps = sum(
        capacity_fps(problem.tables[device.device_type], 0, budget_ms) for device in problem.devices
    )
    return min(1.0, stream.fps / total_fps) if total_fps else 1.0


def stage_words(problem: Problem, plan: Plan, entitlements: Entitlements) -> dict[str, str]:
    """Says of each stream in which stage it was planned, and of one that is not served which floors and weights bound it."""
    stages = stages_of(problem, entitlements)
    tenants = {one: StreamKey.parse(one).tenant for one in stages}
    served = Counter((stages[one], tenants[one]) for one in _served(plan))
    words = {}
    for stream_id, stage in stages.items():
        text = _stage_words(stage, tenants[stream_id])
        before = [
            f"{_stage_words(*whose)}: {count} served"
            for whose, count in sorted(served.items())
            if whose[0] < stage
        ]
        if plan.placement[stream_id] is None and before:
            text += f"; bound by {'; '.join(before)}"
        words[stream_id] = text
    return words


def _stage_words(stage: Stage, tenant: str) -> str:
    return f"weight {-stage.lightness} of {tenant}" if stage.is_beyond else f"floor of {tenant}"


class StagedPlanner:
    """Has another planner plan stage by stage, where its plan for all at once serves a later one at an earlier one's cost."""

    def __init__(self, planner: Planner, entitlements: Entitlements) -> None:
        self._planner = planner
        self._entitlements = entitlements

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """See `Planner`; makes a plan for each stage, and one more, where one for all does not do."""
        plan = self._planner.plan(problem, previous, random)
        if not self._entitlements:
            return plan
        stages = stages_of(problem, self._entitlements)
        if _is_in_order(problem, stages, plan):
            return plan
        best: Plan | None = None
        in_order = sorted(problem.streams, key=lambda one: stages[one.stream_id])
        for stage in sorted(set(stages.values())):
            streams = tuple(one for one in in_order if stages[one.stream_id] <= stage)
            part = replace(problem, streams=streams)
            new = self._planner.plan(part, best or previous, random)
            best = new if best is None else _with_what_is_left(part, best, new)
        if best is None:
            return plan
        best = self._improved(problem, best, random)
        return max(best, plan, key=lambda one: served_by_stage(stages, one))

    def _improved(self, problem: Problem, best: Plan, random: Random) -> Plan:
        """The same streams, with variants chosen for all of them together where that serves them all."""
        served = _served(best)
        part = replace(
            problem, streams=tuple(one for one in problem.streams if one.stream_id in served)
        )
        new = self._planner.plan(part, best, random)
        if not served <= _served(new):
            return best
        return Plan(new.devices, {**best.placement, **new.placement})


def _with_what_is_left(problem: Problem, best: Plan, new: Plan) -> Plan:
    """The plan that serves most of those who serve everybody whom `best` serves.

    Args:
        problem: its streams are in the order of their stages.
        best: a plan of the stages before.
        new: one of all.
    """
    others = (Seats(problem, Plan(new.devices, {})).plan(problem), carry_over(problem, best))
    kept = [one for one in (new, *others) if _served(best) <= _served(one)]
    return max(kept, key=lambda one: len(_served(one)))


def _is_in_order(problem: Problem, stages: Mapping[str, Stage], plan: Plan) -> bool:
    """Whether nobody is served before whom somebody servable should have been."""
    left = [
        stages[one.stream_id]
        for one in problem.streams
        if plan.placement.get(one.stream_id) is None and problem.is_servable(one)
    ]
    return not left or all(stages[one] <= min(left) for one in _served(plan))


def _served(plan: Plan) -> set[str]:
    return {stream_id for stream_id, place in plan.placement.items() if place is not None}


@dataclass(slots=True)
class _Floors:
    """What is left of a tenant's floors."""

    fps: float
    share_ratio: float

    def take(self, problem: Problem, stream: Stream) -> bool:
        """Takes a stream's part of one of them, if there is as much left."""
        if stream.fps <= self.fps * (1 + ROUNDING_RATIO):
            self.fps -= stream.fps
            return True
        if not self.share_ratio:
            return False
        ratio = share_ratio(problem, stream)
        if ratio <= self.share_ratio * (1 + ROUNDING_RATIO):
            self.share_ratio -= ratio
            return True
        return False
