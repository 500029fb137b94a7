"""What finished inferences took."""

from __future__ import annotations

from dataclasses import dataclass

from .turns import Task


@dataclass(slots=True)
class Usage:
    """What the finished inferences of somebody took.

    Attributes:
        finished: of them.
        time_us: of the device.
        energy_uj: of the device, by the profile's power.
    """

    finished: int = 0
    time_us: int = 0
    energy_uj: int = 0

    def add(self, task: Task) -> None:
        """Counts one that has finished."""
        self.finished += 1
        self.time_us += task.time_us
        self.energy_uj += task.energy_uj
