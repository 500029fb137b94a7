"""The `Objective` port."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Protocol

from ....core.plan import Plan
from ....core.problem import Problem
from ...power_feedback import PowerFeedback
from ..port import Planner

LEAST_PRICE = (
    1e-6  # of a joule: next to nothing, so that of equal plans the one of least energy is taken
)
MOST_PRICE = 1e3  # at which nothing but energy counts: a frame is worth 1 at most, and takes a millijoule at least


class Objective(Protocol):
    """What plans are made for, once everybody is served who can be.

    All of them are prices of a joule: a planner makes the best plan at one price, and an objective finds the price.
    """

    @property
    def is_strict(self) -> bool:
        """Whether `holds` may say no."""
        ...

    @property
    def feedback(self) -> PowerFeedback | None:
        """Of meters, where there are caps of power: is told what is planned and what is drawn, and says what may be."""
        ...

    def priced(self, problem: Problem) -> Problem:
        """Returns the problem at the price in force: the one given, or that of the plan made last."""
        ...

    def holds(self, problem: Problem, plan: Plan) -> bool:
        """Whether the plan keeps what the objective demands in any case."""
        ...

    def plan_with(
        self, planner: Planner, problem: Problem, previous: Plan | None, random: Random
    ) -> Plan:
        """Has a planner plan at the right price; see `Planner`."""
        ...


@dataclass(frozen=True, slots=True)
class Reaching:
    """A planner that makes plans for an objective with the help of another."""

    objective: Objective
    planner: Planner

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """See `Planner`."""
        return self.objective.plan_with(self.planner, problem, previous, random)
