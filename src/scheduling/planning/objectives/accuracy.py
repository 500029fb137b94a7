"""The most accurate plan; energy does not count."""

from __future__ import annotations

from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ..port import Planner


class Accuracy:
    """Devices run at their own clocks."""

    is_strict = False
    feedback = None

    def priced(self, problem: Problem) -> Problem:
        """See `Objective`."""
        return problem

    def holds(self, problem: Problem, plan: Plan) -> bool:
        """See `Objective`."""
        del problem, plan
        return True

    def plan_with(
        self, planner: Planner, problem: Problem, previous: Plan | None, random: Random
    ) -> Plan:
        """See `Objective`."""
        return planner.plan(problem, previous, random)
