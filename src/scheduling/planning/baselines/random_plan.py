"""A baseline: random variants, streams mapped to them as well as SA-DP maps them."""

from __future__ import annotations

from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ..mapping import Mapper, assemble


class RandomPlanner:
    """Draws a variant for each device."""

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem; see `Planner`."""
        del previous  # chance alone decides
        variants = [random.randrange(len(problem.variants)) for _ in problem.devices]
        return assemble(problem, variants, Mapper(problem).assign(variants))
