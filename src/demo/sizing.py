"""How much load a demo puts on a machine, by what a frame costs there.

Frame rates follow the cores that draw, and what a device carries; how fast links are, what is left of the devices then: whatever
a link lets through they run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..core.budget import BudgetRule
from ..core.stream import Stream
from ..core.variant import Variant
from .cameras import KINDS, DemoCamera, demo_cameras

MOST_DEVICE_RATIO = 0.72
"""Share of the devices' time: with every frame run by the variant of median accuracy, and by what links let through."""
MOST_DRAWING_RATIO = 0.35
"""Share of one core's time for drawing and encoding; relay, endpoint and answers take a third as much again."""
LEAST_BOUND_RATIO = 0.3
"""Share of the time, over all cameras, in which a link does not let the largest frames through."""
LEAST_RATIO, MOST_RATIO = 0.25, 4.0
LINK_RATIOS = tuple(quarters / 4 for quarters in range(2, 17))
USUAL_CAMERAS = len(KINDS)
LOOK_AHEAD_S = 40
OVERHEAD_MS = 5.0  # of endpoint and decoding


@dataclass(frozen=True, slots=True)
class FrameCosts:
    """What a frame costs this machine now.

    Attributes:
        drawing_ms: drawing, resizing and encoding it, on the cores of the cameras.
        variants: of the zoo, least accurate first.
        batches_ms: what a batch of one frame takes an average device, by variant.
        num_devices: how many of them there are.
    """

    drawing_ms: float
    variants: tuple[Variant, ...]
    batches_ms: tuple[float, ...]
    num_devices: int = 1

    @property
    def carried_fps(self) -> float:
        """How many frames a second keep the drawing core below its bound, and devices that run the median variant."""
        device_fps = 1000 * self.num_devices / self.batches_ms[self.median]
        return min(MOST_DEVICE_RATIO * device_fps, MOST_DRAWING_RATIO * 1000 / self.drawing_ms)

    @property
    def median(self) -> int:
        """The variant of median accuracy."""
        return len(self.variants) // 2

    def __str__(self) -> str:
        name, ms = self.variants[self.median].name, self.batches_ms[self.median]
        return f"draws a frame in {self.drawing_ms:.0f} ms and runs {name} in {ms:.0f} ms"


def sized_cameras(
    costs: FrameCosts, rule: BudgetRule, num_cameras: int | None, seed: int
) -> tuple[DemoCamera, ...]:
    """Chooses cameras whose frames a machine carries.

    Args:
        costs: of a frame there.
        rule: of the server's budgets.
        num_cameras: as many, be it too much; None for four, or as many of them as are carried at all.
        seed: of scenes and links.

    Raises:
        UsageError: if a trace cannot be read.
    """
    number = num_cameras or USUAL_CAMERAS
    while (
        num_cameras is None and number > 1 and costs.carried_fps < LEAST_RATIO * usual_fps(number)
    ):
        number -= 1
    load_ratio = min(MOST_RATIO, max(LEAST_RATIO, costs.carried_fps / usual_fps(number)))
    chosen = demo_cameras(number, seed, load_ratio, LINK_RATIOS[0])
    for link_ratio in LINK_RATIOS[1:]:
        faster = demo_cameras(number, seed, load_ratio, link_ratio)
        used_ratio, bound_ratio = link_effects(costs, rule, faster)
        if used_ratio > MOST_DEVICE_RATIO or bound_ratio < LEAST_BOUND_RATIO:
            break
        chosen = faster
    return chosen


def usual_fps(num_cameras: int) -> float:
    """What so many cameras send in all at a load of 1."""
    return math.fsum(KINDS[number % len(KINDS)].fps for number in range(num_cameras))


def link_effects(
    costs: FrameCosts, rule: BudgetRule, cameras: tuple[DemoCamera, ...]
) -> tuple[float, float]:
    """What the links of cameras mean on the average of the next seconds.

    A device runs for all of its cameras what the slowest link among theirs lets through; cameras with links alike share one.

    Returns:
        Share of the devices' time that this takes, and share of the cameras whose links do not let the largest frames through.
    """
    used_ms = num_bound = 0.0
    at_a_device = math.ceil(len(cameras) / costs.num_devices)
    for second in range(LOOK_AHEAD_S):
        ranked: list[tuple[int, float]] = []
        for camera in cameras:
            rate_kbps = camera.trace.rate_kbps(second)
            stream = Stream(camera.stream_id, camera.fps, camera.slo_ms, rate_kbps, camera.wire_ms)
            ranked.append((_let_through(costs, rule, stream), camera.fps))
            num_bound += not rule.budget_ms(stream, costs.variants[-1].frame_kbits, OVERHEAD_MS)
        ranked.sort()
        for first in range(0, len(ranked), at_a_device):
            group = ranked[first : first + at_a_device]
            used_ms += costs.batches_ms[group[0][0]] * math.fsum(fps for _, fps in group)
    seconds = LOOK_AHEAD_S
    return used_ms / (1000 * costs.num_devices * seconds), num_bound / (len(cameras) * seconds)


def _let_through(costs: FrameCosts, rule: BudgetRule, stream: Stream) -> int:
    """The most accurate variant for whose frames link and SLO have room, with one batch to wait for; else the least accurate."""
    for number in range(len(costs.variants) - 1, 0, -1):
        budget_ms = rule.budget_ms(stream, costs.variants[number].frame_kbits, OVERHEAD_MS)
        if budget_ms >= 2 * costs.batches_ms[number]:
            return number
    return 0
