"""LoudVA's load: cameras that send bursts of frames while something is there, each burst with one deadline.

Source: LoudVA's generator and replay, with a seed, which theirs have not. Their scenario files are read too.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from ...core.errors import UsageError
from ...files.tidy_table import read_tidy_table

SECONDS = 300.0
COLUMNS = {
    "Time": float,
    "Frames After Filter": int,
    "Camera Index": int,
    "latency_constraint": float,
}
MAX_FRAMES = 10_000


class Burst(NamedTuple):
    """Frames that come together.

    Attributes:
        at_s: when.
        frames: how many.
        camera: whose they are.
        slo_s: until when after that all should be answered.
    """

    at_s: float
    frames: int
    camera: int
    slo_s: float


def drawn_load(
    seed: int, transfer_ms: Callable[[int], float], *, most_fps: float = 40.0, cameras: int = 2
) -> list[Burst]:
    """Draws 300 s of bursts.

    Args:
        seed: of everything.
        transfer_ms: what frames take to a board, by their number; deadlines allow for it.
        most_fps: a burst is cut in that ratio to what its last second would have without cuts, if that is more.
        cameras: how many there are.
    """
    random = Random(seed)  # noqa: S311 - a seed fixes the load
    wanted = sorted(
        (at_s, camera, kept) for camera in range(cameras) for at_s, kept in _camera(random)
    )
    bursts: list[Burst] = []
    latest: deque[tuple[float, int]] = deque()
    for at_s, camera, kept in wanted:
        latest.append((at_s, kept))
        while latest[0][0] <= at_s - 1:
            latest.popleft()
        total = sum(one for _, one in latest)
        frames = kept if total <= most_fps else max(1, math.floor(kept * most_fps / total))
        low = math.floor(min(max(0.9 * frames, 1), 13.5))
        slo_s = random.randint(low, 21) + transfer_ms(frames) / 1000
        bursts.append(Burst(at_s, frames, camera, slo_s))
    return bursts


def _camera(random: Random) -> list[tuple[float, int]]:
    """Moments (s) with the frames that the camera's filter keeps."""
    fps, period_s = random.choice((10, 15, 30)), random.choice((0.5, 1, 3, 5, 10))
    moments: list[tuple[float, int]] = []
    for _ in range(random.randint(1, 5)):
        start_s, lasts_s = random.uniform(0, 200), random.uniform(5, 200)
        end_s = min(start_s + lasts_s, SECONDS)
        for number in range(math.ceil((end_s - start_s) / period_s)):
            kept = max(1, math.floor(fps * period_s * (1 - random.uniform(0.51, 0.97))))
            moments.append((start_s + number * period_s, kept))
    return moments


def read_load(path: Path) -> list[Burst]:
    """Reads a scenario file.

    Raises:
        UsageError: naming file, line, column, value and rule.
    """
    table = read_tidy_table(path, COLUMNS).select(*COLUMNS)
    bursts = [Burst(*row) for row in table.iter_rows()]
    for line, (burst, before) in enumerate(
        zip(bursts, [Burst(0, 1, 0, 1), *bursts], strict=False), 2
    ):
        if burst.at_s < before.at_s:
            raise UsageError(
                f"{path}:{line}:Time: {burst.at_s:g}: must not be before {before.at_s:g}"
            )
        if not 1 <= burst.frames <= MAX_FRAMES:
            rule = f"must be within 1..{MAX_FRAMES}"
            raise UsageError(f"{path}:{line}:Frames After Filter: {burst.frames}: {rule}")
        if burst.slo_s <= 0:
            raise UsageError(f"{path}:{line}:latency_constraint: {burst.slo_s:g}: must be above 0")
    if not bursts:
        raise UsageError(f"{path}: has no rows")
    return bursts
