"""A baseline: climbs from the smallest variants, one device one step at a time."""

from __future__ import annotations

from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ..effort import TimeLimit
from ..mapping import Mapper, assemble
from ..seats import variants_in_force


class HillClimbingPlanner:
    """Takes the best single step up or down, until none is better, or the time is up."""

    def __init__(self, limit: TimeLimit | None = None) -> None:
        self._limit = limit or TimeLimit()

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem; see `Planner`. Starts from the variants in force."""
        del random  # the steepest step is taken
        mapper = Mapper(problem)
        last = len(problem.variants) - 1

        def merit(variants: tuple[int, ...]) -> tuple[int, float]:
            value = mapper.evaluate(variants)
            return value.num_served, value.weighted_accuracy

        current = variants_in_force(problem, previous)
        best = merit(current)
        while True:
            steps = {
                (*current[:device], variant, *current[device + 1 :])
                for device in range(len(current))
                for variant in (current[device] - 1, current[device] + 1)
                if 0 <= variant <= last
            }
            scored = [(merit(step), step) for step in sorted(steps) if not self._limit.is_up]
            if not scored or max(scored)[0] <= best:
                return assemble(problem, current, mapper.assign(current))
            best, current = max(scored)
