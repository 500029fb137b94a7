"""The plan in force, as an endpoint needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...core.profile import BatchLatency
from ...protos.internal_pb2 import PlanUpdate
from ..zoo import ServedZoo


@dataclass(frozen=True, slots=True)
class RunningVariant:
    """What one device runs.

    Attributes:
        variant: index into the zoo's variants.
        batch_size: the largest batch that the plan allows.
    """

    device_id: str
    variant: int
    batch_size: int
    latency: BatchLatency

    @property
    def first_answer_ms(self) -> float:
        """How soon a frame that is run at once and alone is answered, as a rule."""
        return self.latency.p50_ms[0]

    @property
    def batch_p99_ms(self) -> float:
        """The time that planning counts for a batch."""
        return self.latency.p99_ms[min(self.batch_size, self.latency.max_batch_size) - 1]


@dataclass(frozen=True, slots=True)
class PlanView:
    """Who is served where.

    Attributes:
        epoch: 0 before the first plan.
        devices: by device id.
        placement: stream id to device id; streams that are served nowhere are left out.
    """

    epoch: int = 0
    devices: Mapping[str, RunningVariant] = field(default_factory=dict)
    placement: Mapping[str, str] = field(default_factory=dict)

    def serving(self, stream_id: str) -> RunningVariant | None:
        """What serves a stream; None if nothing does."""
        return self.devices.get(self.placement.get(stream_id, ""))


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
