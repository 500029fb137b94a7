"""Numbers plans, and tells whether anything has changed."""

from __future__ import annotations

from dataclasses import replace

from ....core.plan import DevicePlan, Plan
from ....core.problem import Problem
from ...planning.plan_records import arrival_fps
from .instructions import DeviceOrder, PublishedPlan


class Publication:
    """The plan as it was published last.

    Attributes:
        plan: None before the first.
        epoch: its number, or one that somebody knows from before.
    """

    def __init__(self) -> None:
        self.plan: PublishedPlan | None = None
        self.epoch = 0

    def count_from(self, epoch: int) -> None:
        """Numbers the plans to come above one that somebody knows."""
        self.epoch = max(self.epoch, epoch)

    def update(self, problem: Problem, plan: Plan, preempted: frozenset[str]) -> bool:
        """Takes in the plan in force, and whose places others have; returns whether anything has changed."""
        fps = arrival_fps(problem, plan)
        orders = tuple(
            DeviceOrder(
                one.device_id,
                one.mode.variant,
                one.mode.batch_size,
                fps.get(one.device_id, 0.0),
                one.mode.clock_mhz,
                _clock_ratio(problem, one),
            )
            for one in plan.devices
        )
        before = self.plan
        now = orders, plan.placement, preempted
        if before is not None and (before.orders, before.placement, before.preempted) == now:
            return False
        self.epoch += 1
        self.plan = PublishedPlan(self.epoch, orders, dict(plan.placement), preempted)
        return True


def _clock_ratio(problem: Problem, planned: DevicePlan) -> float:
    if planned.mode.clock_mhz is None:
        return 1.0
    (kind,) = {one.device_type for one in problem.devices if one.device_id == planned.device_id}
    table = problem.tables[kind]
    return table.p99_ms(planned.mode) / table.p99_ms(replace(planned.mode, clock_mhz=None))
