"""The most accurate plan that draws no more than a cap of power, of single devices or of all together."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from ....core.plan import Plan
from ....core.problem import Problem
from ...power_feedback import PowerFeedback
from ..port import Planner
from ..rules import device_power
from .caps import PowerCaps
from .port import LEAST_PRICE, MOST_PRICE
from .price_search import Found, best_within, power_w

EQUAL_RATIO = 1e-9  # sums of floats


class Capped:
    """Caps are kept in any case: who cannot be served within them is not.

    A device's cap bounds what it carries in each mode. The cap of all is a price that is found: of a joule, beside the one that is given.

    Attributes:
        feedback: see `Objective`; without meters it leaves the caps as they are.
    """

    def __init__(self, caps: PowerCaps, price_per_joule: float = 0.0) -> None:
        """Sets the caps, and the least price of a joule."""
        self.feedback = PowerFeedback(caps.fleet_w, caps.device_w)
        self._least_price = max(price_per_joule, LEAST_PRICE)
        self._price = self._least_price

    @property
    def _caps(self) -> PowerCaps:
        return PowerCaps(self.feedback.fleet_w, self.feedback.device_w)

    @property
    def is_strict(self) -> bool:
        """See `Objective`."""
        return self._caps.fleet_w is not None

    def priced(self, problem: Problem) -> Problem:
        """See `Objective`."""
        return self._caps.applied(replace(problem, price_per_joule=self._price))

    def holds(self, problem: Problem, plan: Plan) -> bool:
        """See `Objective`."""
        most_w = self._caps.fleet_w
        return most_w is None or power_w(problem, plan) <= most_w * (1 + EQUAL_RATIO)

    def plan_with(
        self, planner: Planner, problem: Problem, previous: Plan | None, random: Random
    ) -> Plan:
        """Has the best plan made that keeps the caps."""
        least = self._caps.applied(replace(problem, price_per_joule=self._least_price))
        most_w = self._caps.fleet_w
        if most_w is None:
            return planner.plan(least, previous, random)
        guess = self._price if previous is not None else None
        found = best_within(planner, least, previous, random, most_w, guess)
        if found is None:
            found = _with_fewest_left_out(planner, least, previous, random, most_w)
        self._price = found.price_per_joule
        return found.plan


def _with_fewest_left_out(
    planner: Planner, problem: Problem, previous: Plan | None, random: Random, most_w: float
) -> Found:
    """Leaves out streams that take most power, at the least that serving takes, until the rest keeps the cap."""
    dearest = replace(problem, price_per_joule=MOST_PRICE)
    plan = planner.plan(dearest, previous, random)
    tables = {one.device_id: problem.tables[one.device_type] for one in problem.devices}
    frame_mj = {
        one.device_id: tables[one.device_id].cost(one.mode).above_idle_mj or 0.0
        for one in plan.devices
    }
    takes_w = {
        one.stream_id: one.fps * frame_mj[place] / 1000
        for one in problem.streams
        if (place := plan.placement[one.stream_id]) is not None
    }
    idle_w = math.fsum(one.idle_w for one in (device_power(problem, plan) or {}).values())
    kept = sorted(takes_w, key=lambda one: takes_w[one])  # the least first
    while kept and math.fsum(takes_w[one] for one in kept) > most_w - idle_w:
        kept.pop()
    nobody = dict.fromkeys(one.stream_id for one in problem.streams)
    trimmed = Plan(plan.devices, nobody | {one: plan.placement[one] for one in kept})
    streams = tuple(one for one in problem.streams if one.stream_id in set(kept))
    fewer = replace(problem, streams=streams)
    found = best_within(planner, fewer, previous, random, most_w, MOST_PRICE)
    if found is None:
        return Found(MOST_PRICE, trimmed)
    return Found(
        found.price_per_joule, Plan(found.plan.devices, nobody | dict(found.plan.placement))
    )
