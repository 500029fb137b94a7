"""What a device can take on: the one place where rates and budgets are compared with its modes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

from ...core.mode import Mode, ModeCost, ModeTable
from ...core.problem import Problem

# Throughput is a strict bound. A rate this close to it counts as equal, so that no sum of floats,
# in whatever order, slips over it.
EQUAL_RATIO = 1e-9


def limit_fps(cost: ModeCost) -> float:
    """Returns the rate that a device must stay below, or at, in a mode of that cost."""
    return cost.throughput_fps * (1.0 - EQUAL_RATIO)


def _costs(table: ModeTable, variant: int) -> Sequence[ModeCost]:
    """What the modes of a variant cost at the device's own clock, the highest; where power is capped a lower one may carry more."""
    if math.isinf(table.most_above_idle_w):
        return table.costs(variant)
    return tuple(chain.from_iterable(one.costs(variant) for one in table.at_each_clock))


def capacity_fps(table: ModeTable, variant: int, budget_ms: float) -> float:
    """Returns the most that a device may be loaded with if its strictest stream has that budget.

    Args:
        table: of its type.
        variant: that it runs.
        budget_ms: what that stream's network and SLO leave to the server.

    Returns:
        Rate (frame/s) to stay below, or at; 0 if the budget is short of twice every latency.
    """
    return max(
        (limit_fps(cost) for cost in _costs(table, variant) if 2 * cost.p99_ms <= budget_ms),
        default=0.0,
    )


def largest_batch(table: ModeTable, variant: int, budget_ms: float, rate_fps: float) -> int:
    """Returns the largest batch size that keeps the budget and carries the rate; 0 if none does.

    Source: Jellyfish, the server's rule; the published loop stops one short of the profile's end.
    """
    for cost in reversed(_costs(table, variant)):
        if 2 * cost.p99_ms <= budget_ms and rate_fps <= limit_fps(cost):
            return cost.mode.batch_size
    return 0


def fitting_mode(
    problem: Problem, device_type: str, variant: int, budget_ms: float, rate_fps: float
) -> Mode:
    """Returns the mode of a variant that keeps the budget and carries the rate.

    Of those of least energy, where joules count, that of the largest batch.

    Raises:
        ValueError: if there is none.
    """
    fitting = [
        cost
        for cost in problem.costs(device_type, variant)
        if 2 * cost.p99_ms <= budget_ms and rate_fps <= limit_fps(cost)
    ]
    return max(fitting, key=lambda cost: (problem.frame_value(cost), cost.mode.batch_size)).mode


def idle_mode(problem: Problem, device_type: str, variant: int) -> Mode:
    """Returns the mode of a device without streams: a variant that stays loaded, at the lowest clock where joules count."""
    return next(problem.costs(device_type, variant)).mode
