"""Devices: what an executor process is pinned to."""

from __future__ import annotations

from dataclasses import dataclass, field

from .checks import require_id


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
