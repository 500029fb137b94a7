"""The `Planner` port."""

from __future__ import annotations

from random import Random
from typing import Protocol

from ...core.plan import Plan
from ...core.problem import Problem


class Planner(Protocol):
    """Chooses variant and batch size per device, and a device per stream.

    Every plan obeys every rule of the problem: `rules.violations(problem, plan)` is empty.
    """

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """Returns a plan for the problem.

        Args:
            problem: any numbers that `Problem` accepts; zero streams and zero devices included.
            previous: the plan in force, a start and a reason to keep variants where they are. May
                name streams or devices that are gone.
            random: the only source of chance, so that a seed fixes the plan.
        """
        ...
