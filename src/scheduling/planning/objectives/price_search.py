"""The price of a joule at which plans draw no more than some power."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from ....core.plan import Plan
from ....core.problem import Problem
from ..instance import Instance, build
from ..port import Planner
from ..pricing.prices import Market
from ..rules import device_power
from .port import LEAST_PRICE, MOST_PRICE

BISECTIONS = 8  # of the relaxed problem
MOST_PLANS = 8  # that a search makes
NEAR_RATIO = 0.98  # a plan that draws so much of what it may is near enough
EQUAL_PRICES_RATIO = 1.05
STEP_RATIO = 3.0  # while no price on the other side is known


@dataclass(frozen=True, slots=True)
class Found:
    """A plan, and the price of a joule that it was made at."""

    price_per_joule: float
    plan: Plan


def power_w(problem: Problem, plan: Plan) -> float:
    """Returns what all devices draw under a plan; infinite where a table does not tell."""
    power = device_power(problem, plan)
    return math.inf if power is None else math.fsum(one.total_w for one in power.values())


def best_within(
    planner: Planner,
    problem: Problem,
    previous: Plan | None,
    random: Random,
    most_w: float,
    guess: float | None = None,
) -> Found | None:
    """Returns the plan at about the lowest price at which plans draw no more than that; None if there is none.

    Args:
        planner: plans at a price.
        problem: its price is the least.
        previous: the plan in force.
        random: for the planner.
        most_w: of all devices, idle power included.
        guess: of the price; that of the relaxed problem if None.
    """
    least = problem.price_per_joule
    price = guess or price_for_power(problem, most_w)
    low: float | None = None  # a price at which plans draw too much
    best: Found | None = None
    for _ in range(MOST_PLANS):
        plan = planner.plan(replace(problem, price_per_joule=price), previous, random)
        drawn_w = power_w(problem, plan)
        if drawn_w <= most_w:
            best = Found(price, plan)
            if drawn_w >= NEAR_RATIO * most_w or price <= least:
                break
        else:
            low = price
            if price >= MOST_PRICE:
                break
        if best is None:
            price = min(MOST_PRICE, price * STEP_RATIO)
        elif low is None:
            price = max(least, best.price_per_joule / STEP_RATIO)
        elif best.price_per_joule <= EQUAL_PRICES_RATIO * low:
            break
        else:
            price = math.sqrt(low * best.price_per_joule)
    if best is None:
        plan = planner.plan(replace(problem, price_per_joule=MOST_PRICE), previous, random)
        best = Found(MOST_PRICE, plan) if power_w(problem, plan) <= most_w else None
    return best


def price_for_power(problem: Problem, most_w: float) -> float:
    """Returns about the lowest price at which the relaxed problem draws no more than that.

    Returns:
        The problem's own where that is enough, `MOST_PRICE` where no price is.
    """
    low, high = max(problem.price_per_joule, LEAST_PRICE), MOST_PRICE
    instance = build(replace(problem, price_per_joule=1.0))
    most_w -= math.fsum(problem.tables[one.device_type].idle_w or 0.0 for one in problem.devices)
    if not instance.num_streams or _above_idle_w(instance, low) <= most_w:
        return low
    if _above_idle_w(instance, high) > most_w:
        return high
    for _ in range(BISECTIONS):
        middle = math.sqrt(low * high)
        if _above_idle_w(instance, middle) > most_w:
            low = middle
        else:
            high = middle
    return high


def _above_idle_w(instance: Instance, price_per_joule: float) -> float:
    """What frames take at that price of those who are served, if devices and streams could be split."""
    joules = instance.accuracies - instance.values  # of a frame, as a joule costs 1 here
    instance = replace(instance, values=instance.accuracies - price_per_joule * joules)
    market = Market(instance)
    num_devices = np.bincount(instance.types, minlength=instance.num_types)
    num_served = market.most_served(np.arange(instance.num_streams), num_devices)
    if not num_served:
        return 0.0
    prices = market.of_all(num_served)
    served = prices.served
    rates_fps = instance.weights[served] * instance.unit_fps
    return float(rates_fps @ joules[prices.modes[served]])
