"""Says of each device of a plan what more accuracy would have cost in joules, and what less would have saved."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...core.mode import Mode, ModeCost
from ...core.plan import Plan
from ...core.problem import Problem
from .capacity import limit_fps


@dataclass(frozen=True, slots=True)
class Step:
    """Another mode that would serve the same streams.

    Attributes:
        accuracy_gain: of each frame; below 0 where it is less accurate.
        energy_ratio: energy of a frame above idle over what it is now.
    """

    mode: Mode
    accuracy_gain: float
    energy_ratio: float


@dataclass(frozen=True, slots=True)
class DeviceJoules:
    """What a device takes that serves somebody.

    Attributes:
        above_idle_w: that its frames take.
        dearer: of the more accurate modes the one of least energy; None if there is none.
        cheaper: of the modes of less energy the most accurate one, likewise.
    """

    device_id: str
    mode: Mode
    above_idle_w: float
    dearer: Step | None
    cheaper: Step | None


def joule_steps(problem: Problem, plan: Plan) -> list[DeviceJoules]:
    """Explains the joules of a sound plan, device by device; empty where they do not count."""
    if not problem.price_per_joule:
        return []
    types = {one.device_id: one.device_type for one in problem.devices}
    found = []
    for device in plan.devices:
        there = [
            one for one in problem.streams if plan.placement[one.stream_id] == device.device_id
        ]
        if not there:
            continue
        kind = types[device.device_id]
        now = problem.tables[kind].cost(device.mode)
        rate_fps = math.fsum(one.fps for one in there)
        possible = [
            cost
            for variant in range(len(problem.variants))
            for cost in problem.costs(kind, variant)
            if rate_fps <= limit_fps(cost)
            and all(problem.budget_ms(one, variant) >= 2 * cost.p99_ms for one in there)
        ]
        steps = [_step(problem, now, cost) for cost in possible]
        dearer = [one for one in steps if one.accuracy_gain > 0]
        cheaper = [one for one in steps if one.energy_ratio < 1]
        found.append(
            DeviceJoules(
                device.device_id,
                device.mode,
                rate_fps * (now.above_idle_mj or 0.0) / 1000,
                min(dearer, key=lambda one: (one.energy_ratio, -one.accuracy_gain), default=None),
                max(cheaper, key=lambda one: (one.accuracy_gain, -one.energy_ratio), default=None),
            )
        )
    return found


def _step(problem: Problem, now: ModeCost, other: ModeCost) -> Step:
    variants = problem.variants
    return Step(
        other.mode,
        variants[other.mode.variant].accuracy - variants[now.mode.variant].accuracy,
        (other.above_idle_mj or 0.0) / (now.above_idle_mj or 1.0),
    )
