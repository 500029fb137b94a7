"""Plans: in which mode each device runs, for whom, and which stream goes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from .checks import require_positive
from .mode import Mode


@dataclass(frozen=True, slots=True)
class Berth:
    """What a device runs for somebody.

    Attributes:
        mode: with the largest batch that keeps every budget of its streams, at least 1.
        share_ratio: of the device's time.
        zoo: whose variants the mode counts; empty for the one that the server serves.
    """

    mode: Mode
    share_ratio: float = 1.0
    zoo: str = ""

    def __post_init__(self) -> None:
        require_positive("share_ratio", self.share_ratio, 1)


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What one device runs until the next plan: a berth for each owner of models; today's planners make one.

    Attributes:
        berths: at least one.
    """

    device_id: str
    berths: tuple[Berth, ...]

    @classmethod
    def of(cls, device_id: str, mode: Mode) -> Self:
        """The plan of a device that runs one mode for everybody."""
        return cls(device_id, (Berth(mode),))

    @property
    def mode(self) -> Mode:
        """That of the only berth."""
        (berth,) = self.berths
        return berth.mode


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer to a `Problem`.

    Attributes:
        devices: one entry for each device of the problem, in its order.
        placement: stream id to device id, or to None where the stream is not served.
    """

    devices: tuple[DevicePlan, ...]
    placement: Mapping[str, str | None]
