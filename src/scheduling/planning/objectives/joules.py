"""Accuracy less the price of joules; the price is given, or found so that plans keep a budget of power."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ..port import Planner
from .price_search import price_for_power


class Joules:
    """A joule has a price."""

    def __init__(self, price_per_joule: float, energy_budget_w: float | None = None) -> None:
        """Sets the price, or what the devices should draw.

        Args:
            price_per_joule: in accuracy of a frame; above 0. The least, where there is a budget.
            energy_budget_w: of all devices together, idle power included. A wish: whoever can be served is served.
        """
        self._least_price = price_per_joule
        self._price = price_per_joule
        self._budget_w = energy_budget_w

    def priced(self, problem: Problem) -> Problem:
        """See `Objective`."""
        return replace(problem, price_per_joule=self._price)

    def holds(self, problem: Problem, plan: Plan) -> bool:
        """See `Objective`."""
        del problem, plan
        return True

    def reached_by(self, planner: Planner) -> Planner:
        """See `Objective`."""
        return _Priced(self, planner)

    def find_price(self, problem: Problem) -> None:
        """Takes the price that is right for a problem."""
        if self._budget_w is not None:
            self._price = price_for_power(problem, self._budget_w, self._least_price)


@dataclass(frozen=True, slots=True)
class _Priced:
    objective: Joules
    planner: Planner

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """See `Planner`."""
        self.objective.find_price(problem)
        return self.planner.plan(self.objective.priced(problem), previous, random)
