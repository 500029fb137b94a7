"""Reads the plan in force from the scheduler's packets."""

from __future__ import annotations

from collections.abc import Iterable

from ...protos.internal_pb2 import PlanUpdate
from ...scheduling.plan_view import PlanView, RunningVariant
from ..zoo import ServedZoo


def read_plan(parts: Iterable[PlanUpdate], zoo: ServedZoo) -> PlanView:
    """Puts the parts of a plan together; leaves out what this server does not have."""
    index = {variant.name: number for number, variant in enumerate(zoo.variants)}
    epoch = 0
    devices: dict[str, RunningVariant] = {}
    placement: dict[str, str] = {}
    for part in parts:
        epoch = part.epoch
        for device in part.devices:
            profile = zoo.profiles.get(device.device_id)
            if profile is not None and device.variant in index:
                devices[device.device_id] = RunningVariant(
                    device.device_id,
                    index[device.variant],
                    max(1, device.batch_size),
                    profile.by_variant[device.variant],
                )
        for place in part.placements:
            if place.device_id:
                placement[place.stream_id] = place.device_id
    return PlanView(epoch, devices, placement)
