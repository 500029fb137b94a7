"""Devices: what an executor process is pinned to, and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from .checks import require_id, require_not_negative
from .profile import LatencyProfile


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator, or one set of CPU cores.

    Attributes:
        device_id: unique on the server, for example `cpu0`.
        device_type: names the latency profile it shares with its like.
        slowdown_ratio: how many times as long as profiled it is planned to take, at the middle of what it runs.
    """

    device_id: str
    device_type: str
    slowdown_ratio: float = field(
        default=1.0, compare=False
    )  # the table of its type tells all of it

    def __post_init__(self) -> None:
        require_id("device_id", self.device_id)
        require_id("device_type", self.device_type)


@dataclass(frozen=True, slots=True)
class AnnouncedDevice:
    """What a device says of itself when it comes, and again when that changes.

    Attributes:
        generation: rises with each start; whatever is said of an earlier one counts no more.
        profile: latency of the variants that it can run.
        reach_ms: the way to it and back, for a frame and its answer.
        is_leaving: takes no more frames, and answers those that it has.
    """

    device: Device
    generation: int
    profile: LatencyProfile
    reach_ms: float = 0.0
    is_leaving: bool = False

    def __post_init__(self) -> None:
        require_not_negative("generation", self.generation)
        require_not_negative("reach_ms", self.reach_ms, 60_000)

    @property
    def device_id(self) -> str:
        """Of the device."""
        return self.device.device_id
