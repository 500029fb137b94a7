"""What is written down of a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ...core.plan import Plan
from ...core.problem import Problem
from ...core.records import PlanRecord
from .rules import score


def plan_records(
    epoch: int,
    at_ms: float,
    cause: str,
    plan_ms: float,
    problem: Problem,
    plan: Plan,
    slowdowns: Mapping[str, float],
) -> list[PlanRecord]:
    """Returns a row of `plans.csv` for each device of the plan; `slowdowns` by device."""
    rated = score(problem, plan)
    fps = arrival_fps(problem, plan)
    num_streams = Counter(plan.placement.values())
    return [
        PlanRecord(
            epoch=epoch,
            at_ms=at_ms,
            cause=cause,
            plan_ms=plan_ms,
            device_id=device.device_id,
            variant=problem.variants[device.mode.variant].name,
            batch_size=device.mode.batch_size,
            arrival_fps=fps.get(device.device_id, 0.0),
            num_streams=num_streams[device.device_id],
            served_ratio=rated.served_ratio,
            accuracy_per_request=rated.accuracy_per_request,
            slowdown_ratio=slowdowns.get(device.device_id, 1.0),
            clock_mhz=device.mode.clock_mhz,
        )
        for device in plan.devices
    ]


def arrival_fps(problem: Problem, plan: Plan) -> Mapping[str, float]:
    """The rates of each device's streams, added up (frame/s)."""
    totals: dict[str, float] = {}
    for stream in problem.streams:
        device_id = plan.placement.get(stream.stream_id)
        if device_id is not None:
            totals[device_id] = totals.get(device_id, 0.0) + stream.fps
    return totals
