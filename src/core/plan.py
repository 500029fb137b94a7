"""Plans: which variant and batch size each device runs, and which stream goes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What one device runs until the next plan.

    Attributes:
        variant: index into the problem's variants.
        batch_size: the largest batch that keeps every budget of its streams, at least 1.
    """

    device_id: str
    variant: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer to a `Problem`.

    Attributes:
        devices: one entry for each device of the problem, in its order.
        placement: stream id to device id, or to None where the stream is not served.
    """

    devices: tuple[DevicePlan, ...]
    placement: Mapping[str, str | None]

    def device_of(self, stream_id: str) -> DevicePlan | None:
        """The device plan that serves a stream; None if it is not served or not known."""
        device_id = self.placement.get(stream_id)
        return next((d for d in self.devices if d.device_id == device_id), None)
