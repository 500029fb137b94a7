"""Devices: what an executor process is pinned to."""

from __future__ import annotations

from dataclasses import dataclass

from .checks import require_id


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator, or one set of CPU cores.

    Attributes:
        device_id: unique on the server, for example `cpu0`.
        device_type: names the latency profile it shares with its like.
    """

    device_id: str
    device_type: str

    def __post_init__(self) -> None:
        require_id("device_id", self.device_id)
        require_id("device_type", self.device_type)
