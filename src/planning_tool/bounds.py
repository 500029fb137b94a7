"""Bounds what any plan of a problem can reach, by an integer program."""

from __future__ import annotations

import math

import numpy as np

from ..core.problem import Problem
from ..scheduling.planning.exact.pooled_program import PooledProgram
from ..scheduling.planning.exact.proof import costs_of, fillable, value_of
from ..scheduling.planning.instance import build
from ..scheduling.planning.pricing.prices import Market
from ..scheduling.planning.pricing.pricing import first_plan
from .yardsticks import Yardstick

PROVED_RATIO = 0.001  # how near what was found must be to the bound of accuracy
TOLERANCE = 1e-6


def bound(problem: Problem, time_limit_s: float) -> Yardstick:
    """Returns bounds, first of streams served, then of the accuracy of plans that serve so many.

    Rates must have a simple unit in common. The time limit is for each of the two.
    """
    instance = build(problem)
    if not instance.num_streams:
        return Yardstick(0, 0.0, is_proved=True)
    market = Market(instance)
    draft = first_plan(instance, market)
    served = sum(map(len, draft.members))
    capacities = fillable(instance)
    num_devices = np.bincount(instance.types, minlength=instance.num_types)
    most = market.most_served(np.arange(instance.num_streams), num_devices)
    if served < most:
        pooled = PooledProgram(instance, instance.fits, capacities).most_served(
            served, time_limit_s
        )
        most = min(most, math.floor(pooled + TOLERANCE))
    if not most:
        return Yardstick(0, 0.0, is_proved=True)
    least, allowed = 0.0, instance.fits
    prices = market.of_all(most)
    if served == most:
        least = value_of(instance, draft)
        gap = prices.bound - least
        allowed = allowed & (costs_of(instance, prices, capacities)[1] <= gap + TOLERANCE)
    program = PooledProgram(instance, allowed, capacities)
    value, found = program.most_accurate(most, time_limit_s)
    value = min(max(value, least), prices.bound)
    total_fps = math.fsum(one.fps for one in problem.streams if problem.is_servable(one))
    return Yardstick(
        most,
        value * instance.unit_fps / total_fps,
        is_proved=max(found, least) >= value * (1 - PROVED_RATIO),
    )
