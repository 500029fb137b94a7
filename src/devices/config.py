"""One device of a server, as options describe it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..core.checks import echo, require_id
from .slowdown_script import SlowdownScript

MAX_CORES = 4096
MAX_GPUS = 64


class DeviceKind(StrEnum):
    """What runs the batches of a device."""

    CPU = "cpu"
    CUDA = "cuda"
    REPLAYED = "replayed"  # sleeps a profile's latency


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device and the executor process that is pinned to it.

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
        try:
            object.__setattr__(self, "kind", DeviceKind(self.kind))
        except ValueError:
            kinds = ", ".join(DeviceKind)
            raise ValueError(f"kind={echo(self.kind)}: must be one of {kinds}") from None
        object.__setattr__(self, "cores", tuple(self.cores))
        for core in self.cores:
            if type(core) is not int or not 0 <= core < MAX_CORES:
                raise ValueError(f"cores={echo(core)}: must be numbers of CPU cores")
        if len(set(self.cores)) != len(self.cores):
            raise ValueError(f"cores={echo(self.cores)}: a core is listed twice")
        if self.kind is DeviceKind.CPU and not self.cores:
            raise ValueError(f"{self.device_id}: a cpu device needs its cores")
        is_index = type(self.gpu) is int and 0 <= self.gpu < MAX_GPUS
        if (self.kind is DeviceKind.CUDA) != is_index or (self.gpu is not None and not is_index):
            raise ValueError(f"gpu={echo(self.gpu)}: an index from 0, for kind cuda alone")
        if self.slowdown and self.kind is not DeviceKind.REPLAYED:
            raise ValueError(f"slowdown={echo(self.slowdown)}: for kind replayed alone")
        SlowdownScript.parse(self.slowdown)
