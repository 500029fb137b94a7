"""Accuracy less the price of joules; the price is given, or found so that plans keep a budget of power."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ..port import Planner
from .port import LEAST_PRICE, MOST_PRICE
from .price_search import Found, best_within


class Joules:
    """A joule has a price."""

    is_strict = False
    feedback = None

    def __init__(self, price_per_joule: float = 0.0, energy_budget_w: float | None = None) -> None:
        """Sets the price, or what the devices should draw.

        Args:
            price_per_joule: in accuracy of a frame; where there is a budget, the least.
            energy_budget_w: of all devices together, idle power included. A wish: whoever can be served is served.
        """
        self._least_price = max(price_per_joule, LEAST_PRICE)
        self._budget_w = energy_budget_w
        self._price: float | None = None if energy_budget_w else self._least_price

    def priced(self, problem: Problem) -> Problem:
        """See `Objective`."""
        return replace(problem, price_per_joule=self._price or self._least_price)

    def holds(self, problem: Problem, plan: Plan) -> bool:
        """See `Objective`."""
        del problem, plan
        return True

    def plan_with(
        self, planner: Planner, problem: Problem, previous: Plan | None, random: Random
    ) -> Plan:
        """Has a plan made at the right price."""
        if self._budget_w is None:
            return planner.plan(self.priced(problem), previous, random)
        least = replace(problem, price_per_joule=self._least_price)
        found = best_within(planner, least, previous, random, self._budget_w, self._price)
        if found is None:  # all are served, for as little energy as there is
            dearest = replace(problem, price_per_joule=MOST_PRICE)
            found = Found(MOST_PRICE, planner.plan(dearest, previous, random))
        self._price = found.price_per_joule
        return found.plan
