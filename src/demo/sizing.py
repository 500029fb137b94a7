"""How much load a demo puts on a machine, by what a frame costs there."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .cameras import KINDS, DemoCamera, demo_cameras

MOST_DEVICE_RATIO = 0.72
"""Share of the devices' time, if all frames ran one by one through the variant of median accuracy."""
MOST_DRAWING_RATIO = 0.45
"""Share of one core's time for drawing and encoding; relay, endpoint and answers take a third as much again."""
LEAST_RATIO, MOST_RATIO = 0.25, 4.0
USUAL_CAMERAS = len(KINDS)


@dataclass(frozen=True, slots=True)
class FrameCosts:
    """What a frame costs this machine now.

    Attributes:
        drawing_ms: drawing, resizing and encoding it, on the cores of the cameras.
        variant: that of median accuracy.
        batches_ms: device id to what the variant takes for a batch of one frame, its decoding included.
    """

    drawing_ms: float
    variant: str
    batches_ms: dict[str, float]

    @property
    def carried_fps(self) -> float:
        """How many frames a second keep devices and cameras below their bounds."""
        devices_fps = math.fsum(1000 / ms for ms in self.batches_ms.values())
        return min(MOST_DEVICE_RATIO * devices_fps, MOST_DRAWING_RATIO * 1000 / self.drawing_ms)

    def __str__(self) -> str:
        devices = ", ".join(f"{ms:.0f} ms on {name}" for name, ms in self.batches_ms.items())
        return f"draws a frame in {self.drawing_ms:.0f} ms and runs {self.variant} in {devices}"


def sized_cameras(costs: FrameCosts, num_cameras: int | None, seed: int) -> tuple[DemoCamera, ...]:
    """Chooses cameras whose frames a machine carries.

    Args:
        costs: of a frame there.
        num_cameras: as many, be it too much; None for four, or as many of them as are carried at all.
        seed: of scenes and links.

    Raises:
        UsageError: if a trace cannot be read.
    """
    wanted = num_cameras or USUAL_CAMERAS
    for number in range(wanted, 0, -1):
        ratio = costs.carried_fps / usual_fps(number)
        if num_cameras is not None or ratio >= LEAST_RATIO or number == 1:
            break
    return demo_cameras(number, seed, min(MOST_RATIO, max(LEAST_RATIO, ratio)))


def usual_fps(num_cameras: int) -> float:
    """What so many cameras send in all at a load of 1."""
    return math.fsum(KINDS[number % len(KINDS)].fps for number in range(num_cameras))
