"""The price of a joule at which plans draw no more than some power, as far as the relaxation tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....core.problem import Problem
from ..instance import Instance, build
from ..pricing.prices import Market

LEAST_PRICE = (
    1e-6  # of a joule: next to nothing, so that of equal plans the one of least energy is taken
)
MOST_PRICE = 1e3  # at which nothing but energy counts: a frame is worth 1 at most, and takes a millijoule at least
BISECTIONS = 12


def price_for_power(problem: Problem, power_w: float, least_price: float = LEAST_PRICE) -> float:
    """Returns about the lowest price at which the relaxed problem draws no more than that.

    Args:
        problem: at any price.
        power_w: of all devices, idle power included.
        least_price: above 0.

    Returns:
        `least_price` where that is enough, `MOST_PRICE` where no price is.
    """
    instance = build(replace(problem, price_per_joule=1.0))
    idle_w = sum(problem.tables[one.device_type].idle_w or 0.0 for one in problem.devices)
    if not instance.num_streams or _above_idle_w(instance, least_price) <= power_w - idle_w:
        return least_price
    low, high = least_price, MOST_PRICE
    if _above_idle_w(instance, high) > power_w - idle_w:
        return high
    for _ in range(BISECTIONS):
        middle = float(np.sqrt(low * high))
        if _above_idle_w(instance, middle) > power_w - idle_w:
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
