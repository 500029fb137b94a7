"""A baseline: one variant on all devices, the best one for this problem."""

from __future__ import annotations

from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ..effort import TimeLimit
from ..mapping import Mapper, assemble


class FixedPlanner:
    """Runs the same variant everywhere, as a server without adaptation would at its best."""

    def __init__(self, limit: TimeLimit | None = None) -> None:
        """Tries as many variants as there is time for, the smallest first."""
        self._limit = limit or TimeLimit()

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem; see `Planner`."""
        del previous, random  # every variant is tried
        mapper = Mapper(problem)
        count = len(problem.devices)

        def merit(variant: int) -> tuple[int, float]:
            if variant and self._limit.is_up:
                return -1, 0.0
            value = mapper.evaluate([variant] * count)
            return value.num_served, value.weighted_accuracy

        variants = [max(range(len(problem.variants)), key=merit)] * count
        return assemble(problem, variants, mapper.assign(variants))
