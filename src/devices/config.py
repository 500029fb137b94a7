"""One device of a server, as options describe it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..core.checks import echo, require_id
from .replay import SlowdownScript


class DeviceKind(StrEnum):
    """What runs the batches of a device."""

    CPU = "cpu"
    CUDA = "cuda"
    REPLAYED = "replayed"  # sleeps a profile's latency


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device and the executor process that is pinned to it; `discovery` reads it from a text, and checks it.

    Attributes:
        device_id: unique on this server, for example `cpu0`.
        device_type: names the latency profile it uses.
        cores: CPU cores that the executor is pinned to; empty for all.
        gpu: index among the CUDA devices, for `cuda` alone.
        slowdown: script of how slow it is over time, for `replayed` alone; empty if it is always as its profile says.
    """

    device_id: str
    device_type: str
    kind: DeviceKind = DeviceKind.CPU
    cores: tuple[int, ...] = ()
    gpu: int | None = None
    slowdown: str = ""

    def __post_init__(self) -> None:
        require_id("device_id", self.device_id)
        require_id("device_type", self.device_type)
        object.__setattr__(self, "kind", DeviceKind(self.kind))  # JSON has texts and lists
        object.__setattr__(self, "cores", tuple(self.cores))
        if len(set(self.cores)) != len(self.cores):
            raise ValueError(f"cores={echo(self.cores)}: a core is listed twice")
        SlowdownScript.parse(self.slowdown)
