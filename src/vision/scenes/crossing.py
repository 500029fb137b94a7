"""A crossing of two roads whose traffic takes turns, so that nothing runs into anything.

All lanes of a road go by the same law: platoons of one length, that surge once while a platoon's length passes. While one
road is slow, the gap between its platoons lies over the crossing; the other road is fast then.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Final

import numpy as np

from .roads import LANE_WIDTH_M, LENGTHS_M, Lane, Road, draw_class
from .splits import Split, draw_between

PLATOON_M: Final = 60.0
_PLATOONS: Final = 2
_SLOW_RATIO: Final = 0.5 - 1 / math.pi  # of a platoon's length passes in the slow half of a period


def draw_crossing(
    rng: np.random.Generator, split: Split, num_lanes: int, load_ratio: float
) -> tuple[Road, Road]:
    """Draws a road ahead and one across it, of so many lanes each."""
    place = (draw_between(rng, -3, 3, split), draw_between(rng, 26, 34, split))
    period_s = draw_between(rng, 12, 16, split)
    ahead = math.radians(90 + draw_between(rng, -9, 9, split))
    across = math.radians(draw_between(rng, -7, 7, split))
    half_m = num_lanes * LANE_WIDTH_M / 2
    reach = _PLATOONS * PLATOON_M / 2
    gap_m = _SLOW_RATIO * PLATOON_M + 2 * half_m / math.cos(math.radians(20))

    def road(heading_rad: float, phase_rad: float) -> Road:
        lanes = tuple(
            _lane(rng, (k + 0.5) * LANE_WIDTH_M - half_m, period_s, phase_rad, gap_m, load_ratio)
            for k in range(num_lanes)
        )
        return Road(*place, heading_rad, -reach, reach, half_m, lanes)

    return road(ahead, 0.0), road(across, math.pi)


def _lane(
    rng: np.random.Generator,
    offset_m: float,
    period_s: float,
    phase_rad: float,
    gap_m: float,
    load_ratio: float,
) -> Lane:
    """Draws a lane whose crossing lies in the middle of its loop."""
    empty = Lane(
        offset_m, 1 if offset_m < 0 else -1, PLATOON_M / period_s, 1.0, period_s, phase_rad, (), (), ()
    )  # fmt: skip
    loop_m = _PLATOONS * PLATOON_M
    slowest_s = (math.pi - phase_rad) / (2 * math.pi) * period_s
    begin_m = loop_m / 2 + gap_m / 2 - empty.travelled_m(slowest_s)
    starts: list[float] = []
    classes: list[int] = []
    for platoon in range(_PLATOONS):
        place = float(rng.uniform(0, 3))
        while True:
            class_id = draw_class(rng)
            end = place + LENGTHS_M[class_id]
            if end > PLATOON_M - gap_m:
                break
            if rng.random() < load_ratio:
                starts.append((begin_m + platoon * PLATOON_M + (place + end) / 2) % loop_m)
                classes.append(class_id)
            place = end + 1.8 + float(rng.exponential(1.2))
    looks = tuple(int(v) for v in rng.integers(0, 64, len(starts)))
    return dataclasses.replace(empty, starts_m=tuple(starts), classes=tuple(classes), looks=looks)
