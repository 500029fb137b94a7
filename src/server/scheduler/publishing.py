"""Writes plans as packets, and numbers them."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.plan import Plan
from ...core.problem import Problem
from ...protos.internal_pb2 import DevicePlan, Envelope, Placement, PlanUpdate
from ...scheduling.planning.plan_records import arrival_fps

PLACEMENTS_PER_PACKET = 500  # of at most about 140 bytes each


class Publication:
    """The plan as it was published last.

    Attributes:
        epoch: its number; rises with each change, also over restarts of the scheduler.
        is_out: whether there is a plan at all.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.is_out = False
        self._devices: list[DevicePlan] = []
        self._placements: dict[str, str] = {}

    def count_from(self, epoch: int) -> None:
        """Numbers the plans to come above one that somebody knows."""
        self.epoch = max(self.epoch, epoch)

    def update(self, problem: Problem, plan: Plan) -> bool:
        """Takes in the plan in force; returns whether anything has changed."""
        fps = arrival_fps(problem, plan)
        devices = [
            DevicePlan(
                device_id=device.device_id,
                variant=problem.variants[device.variant].name,
                batch_size=device.batch_size,
                arrival_fps=fps.get(device.device_id, 0.0),
            )
            for device in plan.devices
        ]
        placements = {stream_id: where or "" for stream_id, where in plan.placement.items()}
        if self.is_out and (devices, placements) == (self._devices, self._placements):
            return False
        self._devices, self._placements = devices, placements
        self.epoch += 1
        self.is_out = True
        return True

    def for_executors(self) -> Envelope:
        """What each device runs."""
        return Envelope(plan=PlanUpdate(epoch=self.epoch, devices=self._devices))

    def for_endpoints(self) -> Iterator[Envelope]:
        """The whole plan; in parts where it is large."""
        placements = [
            Placement(stream_id=stream_id, device_id=device_id)
            for stream_id, device_id in self._placements.items()
        ]
        for start in range(0, max(1, len(placements)), PLACEMENTS_PER_PACKET):
            part = PlanUpdate(
                epoch=self.epoch,
                devices=self._devices if start == 0 else (),
                placements=placements[start : start + PLACEMENTS_PER_PACKET],
                has_more=start + PLACEMENTS_PER_PACKET < len(placements),
            )
            yield Envelope(plan=part)
