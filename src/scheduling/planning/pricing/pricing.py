"""The default planner: prices from a relaxation, then exact plans for a few devices at a time.

1. Relaxed, the problem is solved by one price per device type; this bounds every plan (`prices`).
2. Devices are settled one after the other, each with the mode and streams that lose least against
   the prices (`construct`).
3. Small problems get a second start, from annealing.
4. Pairs of devices are planned anew, exactly, until no pair gains, then threes and fours (`pairs`,
   `larger_groups`). Streams that are left over are worked in the same way (`insertions`, `exchanges`).
5. Streams change places at no loss, so that those who fit most come together (`gathering`); the devices that
   waste most are tried first, and in overload before other threes and fours.

A plan in force is the start of the next; only what a change touches is looked at again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

import numpy as np

from ....core.plan import Plan
from ....core.problem import Problem
from ..continuity import align, continued
from ..effort import Effort, TimeLimit
from ..instance import Instance, Ints, build
from ..published.sa_dp import SaDpPlanner
from ..switching import SwitchingCost
from .construct import Draft, construct, empty_draft, to_plan
from .exchanges import exchange
from .gathering import regroup_gathered
from .improve import settle, upgrade_all
from .larger_groups import regroup_all, regroup_larger
from .pairs import regroup_pairs, shake
from .prices import Market
from .regroup import Regrouper
from .selection import modes_worth_a_look, only
from .working_draft import WorkingDraft

DEFAULT_STEPS = 1040  # pairs of devices planned anew for a first plan, or the like
OVERLOAD_STEPS = 1650  # more, where somebody is left over
GATHERING_STEPS = 400  # of these, for gathering streams after shaking
LAST_SHARE = 0.038  # of the usual steps, for the same
REPLAN_STEPS = 60  # after a small change
SMALL_CHANGE_RATIO = 0.1  # share of the streams that have to be placed anew
MAX_DETOURS = 12
MAX_DEVICES_AT_ONCE = 4  # that are planned anew all together
FEWEST_SHAKEN = 3  # devices; two are planned exactly anyway
ANNEALING_STEPS = 100
ANNEALING_MS = 200.0  # at most, with room for a busy machine
MAX_ANNEALED = 16_000  # devices x streams x variants; some tens of milliseconds
CONSTRUCTION_STEPS = 6  # what it costs to construct a draft, per device
DETOUR_SHARE = 0.3  # of the steps
SHAKING_SHARE = 0.3  # of the steps left then
OVERLOAD_SHAKING_SHARE = 0.8  # the same, where somebody is left over


class PricingPlanner:
    """Plans any rates on unlike devices, in overload too; the same problem gives the same plan."""

    def __init__(
        self,
        steps: int = DEFAULT_STEPS,
        limit: TimeLimit | None = None,
        switching: SwitchingCost | None = None,
    ) -> None:
        """Sets limits.

        Args:
            steps: how much is tried to improve a plan.
            limit: when to stop improving. The first feasible plan is made anyway.
            switching: what a change of the plan in force must gain, unless it serves more streams.
        """
        self._steps = steps
        self._limit = limit or TimeLimit()
        self._switching = switching or SwitchingCost()

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem; see `Planner`. Takes no chances."""
        effort = Effort(self._steps, self._limit)
        every = build(problem)
        if not every.num_streams:
            return to_plan(every, empty_draft(every), previous)
        modes = modes_worth_a_look(every)
        instance = only(every, modes)
        market = Market(instance)
        kept = None if previous is None else continued(instance, previous)
        if kept is not None and len(kept.unserved) <= SMALL_CHANGE_RATIO * instance.num_streams:
            effort.steps = min(effort.steps, REPLAN_STEPS)
            draft = self._replan(instance, market, kept, effort)
        else:
            draft = first_plan(instance, market, effort)
            if previous is not None:
                align(instance, draft, previous)
        draft.modes = modes[draft.modes].tolist()
        return to_plan(every, draft, previous)

    def _replan(self, instance: Instance, market: Market, kept: Draft, effort: Effort) -> Draft:
        """Repairs a plan in force and improves what gains enough."""
        most = _most_served(instance, market) if kept.unserved else instance.num_streams
        work = WorkingDraft(Regrouper(instance), market, kept, effort, self._switching)
        settle(work, most, kept.changed)
        upgrade_all(work)
        regroup_pairs(work, range(instance.num_devices))
        return work.draft


def first_plan(instance: Instance, market: Market, effort: Effort | None = None) -> Draft:
    """Makes a plan from nothing; without a limit given, with the usual effort."""
    effort = effort or Effort(DEFAULT_STEPS)
    last_steps = round(effort.steps * LAST_SHARE)
    effort.spend(last_steps)
    regrouper = Regrouper(instance)
    most = _most_served(instance, market)
    best = WorkingDraft(regrouper, market, construct(instance, market, most, effort), effort)
    settle(best, most)
    if not best.num_served:
        return best.draft
    bound = market.of_all(best.num_served).bound
    if best.draft.unserved:
        most = best.num_served  # the other starts need not try again
        effort.steps += OVERLOAD_STEPS - GATHERING_STEPS
        last_steps += GATHERING_STEPS
        _gather_all(best, bound)
    if (
        FEWEST_SHAKEN <= instance.num_devices <= MAX_DEVICES_AT_ONCE
        and not effort.is_spent
        and regroup_all(best)
        and not best.draft.unserved
    ):
        return best.draft  # it is the optimum
    for draft in _other_starts(instance, best.draft, effort):
        if best.value >= bound:
            break
        effort.spend(ANNEALING_STEPS)
        best = _better(best, WorkingDraft(regrouper, market, draft, effort), most)
    reserve = int(effort.steps * (1 - DETOUR_SHARE))
    steps = max(min(instance.num_devices - 1, MAX_DETOURS), 1)
    for number in range(MAX_DETOURS):
        if effort.steps <= reserve or effort.is_spent or best.value >= bound:
            break
        draft = construct(instance, market, most, effort, (number % steps, 1 + number // steps))
        effort.spend(CONSTRUCTION_STEPS * instance.num_devices)
        best = _better(best, WorkingDraft(regrouper, market, draft, effort), most)
    _shake(best, bound)
    is_short = bool(best.draft.unserved)
    if not is_short:
        regroup_larger(best, bound)
    if is_short or instance.num_devices > MAX_DEVICES_AT_ONCE:
        effort.steps += last_steps
        _gather_all(best, bound)
    if is_short:  # gathered threes come first: they gain more, step for step
        regroup_larger(best, bound)
        exchange(best)
    return best.draft


def _better(best: WorkingDraft, other: WorkingDraft, most_served: int) -> WorkingDraft:
    settle(other, most_served)
    return other if other.merit > best.merit else best


def _gather_all(work: WorkingDraft, bound: float) -> None:
    """Gathers on two devices, and on three as long as that gains."""
    value = -math.inf
    while value < work.value < bound and not work.effort.is_spent:
        value = work.value
        regroup_gathered(work, 2)
        regroup_gathered(work, 3)


def _shake(work: WorkingDraft, bound: float) -> None:
    random = Random(0)  # noqa: S311 - nobody's chance: the same problem gives the same plan
    effort = work.effort
    share = OVERLOAD_SHAKING_SHARE if work.draft.unserved else SHAKING_SHARE
    reserve = int(effort.steps * (1 - share))
    while (
        len(work.types) >= FEWEST_SHAKEN
        and effort.steps > reserve
        and not effort.is_spent
        and work.value < bound
    ):
        shake(work, random)
        if work.draft.unserved:
            regroup_gathered(work, 2)


def _other_starts(instance: Instance, first: Draft, effort: Effort) -> Iterator[Draft]:
    """Where annealing is quick, its plan, which sees all variants at once; made when asked for."""
    size = instance.num_devices * instance.num_streams * len(instance.problem.variants)
    if (
        (instance.num_devices >= FEWEST_SHAKEN or first.unserved)
        and size <= MAX_ANNEALED
        and not effort.is_spent
        and effort.allows_ms(ANNEALING_MS)
    ):
        random = Random(0)  # noqa: S311 - as above
        yield continued(instance, SaDpPlanner(effort.limit).plan(instance.problem, None, random))


def _most_served(instance: Instance, market: Market) -> int:
    return market.most_served(np.arange(instance.num_streams), _num_devices(instance))


def _num_devices(instance: Instance) -> Ints:
    return np.bincount(instance.types, minlength=instance.num_types)
