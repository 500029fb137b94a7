"""Bounds what any plan of a problem can reach, by an integer program that pools devices."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from ..core.problem import Problem
from ..scheduling.planning.exact.pooled_program import PooledProgram
from ..scheduling.planning.exact.proof import fillable
from ..scheduling.planning.instance import build
from ..scheduling.planning.pricing.prices import Market
from ..scheduling.planning.pricing.pricing import PricingPlanner
from ..scheduling.planning.rules import score
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
    planned = score(problem, PricingPlanner().plan(problem, None, Random(0)))  # noqa: S311 - takes no chances
    capacities = fillable(instance)
    num_devices = np.bincount(instance.types, minlength=instance.num_types)
    most = Market(instance).most_served(np.arange(instance.num_streams), num_devices)
    if planned.num_served < most:
        pooled = PooledProgram(instance, capacities).most_served(planned.num_served, time_limit_s)
        most = min(most, math.floor(pooled + TOLERANCE))
    if not most:
        return Yardstick(0, 0.0, is_proved=True)
    value, found = PooledProgram(instance, capacities).most_accurate(most, time_limit_s)
    total_fps = math.fsum(one.fps for one in problem.streams if problem.is_servable(one))
    return Yardstick(
        most,
        value * instance.unit_fps / total_fps,
        is_proved=found >= value * (1 - PROVED_RATIO),
    )
