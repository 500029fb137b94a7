"""The ground: verges, roads with their markings, pavements, pools of lamplight."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .camera import Camera, Floats
from .light import Colour
from .roads import LANE_WIDTH_M, Road
from .splits import Split, draw_between


def draw_ground(
    rng: np.random.Generator, split: Split, camera: Camera, roads: tuple[Road, ...], margin_px: int
) -> Floats:
    """Returns the colour of the ground [height, width, 3], as in full daylight."""
    x, y, footprint = camera.ground(margin_px)
    y = np.where(np.isfinite(y), y, 1e6)
    footprint = np.maximum(
        footprint * np.maximum(1.0, 0.25 * np.hypot(x, y) / camera.height_m), 1e-3
    )
    n = 256
    fine = cv2.GaussianBlur(np.pad(rng.random((n, n)), 2, mode="wrap"), (3, 3), 0)[2:-2, 2:-2]
    cells = np.pad(rng.random((16, 16)), 2, mode="wrap")
    scale = n // 16
    patch = cv2.resize(cells, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    patch = patch[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    keep = np.clip(0.05 / footprint, 0, 1)
    grain = (_tile_lookup(fine, x, y, 4.0) - 0.5) * keep + (
        _tile_lookup(patch, x, y, 34.0) - 0.5
    ) * 0.5
    verge: Colour = (72, 118, 98) if rng.random() < 0.6 else (128, 142, 150)  # noqa: PLR2004
    colour = np.asarray(verge) * (1 + 0.35 * grain[..., None])
    asphalt = draw_between(rng, 84, 124, split)
    has_zebra = bool(rng.random() < 0.3)  # noqa: PLR2004
    zebra_at = rng.uniform(20, 34)
    crossed = np.zeros_like(x)  # the road before, where this one crosses it
    for number, road in enumerate(roads):
        cosine, sine = math.cos(road.heading_rad), math.sin(road.heading_rad)
        along = (x - road.x_m) * cosine + (y - road.y_m) * sine
        left = -(x - road.x_m) * sine + (y - road.y_m) * cosine
        walk = _band(left, road.half_width_m + 2.4, footprint)[..., None]
        walk = walk * (1 - crossed[..., None])
        slab = 1 + 0.10 * grain - 0.08 * _band(np.mod(along, 1.5) - 0.75, 0.05, footprint)
        colour = colour * (1 - walk) + walk * np.array((150, 156, 160)) * slab[..., None]
        surface = _band(left, road.half_width_m, footprint)[..., None]
        kerb = _band(np.abs(left) - road.half_width_m - 0.1, 0.13, footprint)[..., None]
        kerb = kerb * (1 - crossed[..., None])
        worn = np.zeros_like(left)
        for lane in road.lanes:
            if lane.speed_mps > 0:
                for track in (-0.8, 0.8):
                    worn += np.exp(-(((left - lane.offset_m - track) / 0.35) ** 2))
        paving = np.array((1.02, 1.0, 0.98)) * asphalt
        paving = paving * (1 + 0.3 * grain - 0.07 * np.clip(worn, 0, 1))[..., None]
        colour = colour * (1 - surface) + surface * paving
        colour = colour * (1 - kerb) + kerb * np.array((186, 190, 192))
        num_lanes = sum(lane.speed_mps > 0 for lane in road.lanes)
        edge = num_lanes * LANE_WIDTH_M / 2
        marks = np.zeros_like(left)
        for k in range(num_lanes + 1):
            place = k * LANE_WIDTH_M - edge
            line = _band(left - place, 0.08, footprint)
            is_solid = k in (0, num_lanes) or (k == num_lanes // 2 and num_lanes > 2)  # noqa: PLR2004
            if not is_solid:
                line = line * _band(np.mod(along, 8.0) - 4.0, 1.5, footprint)
            marks = np.maximum(marks, line)
        if has_zebra:
            stripes = _band(np.mod(left, 1.2) - 0.6, 0.3, footprint)
            on_it = _band(along - zebra_at, 1.6, footprint) * _band(left, edge, footprint)
            marks = np.maximum(marks, stripes * on_it)
        marks *= 1 - crossed
        worn_off = (0.82 + 0.3 * grain)[..., None]
        paint = np.clip(marks[..., None] * worn_off, 0, 1) * surface
        colour = colour * (1 - paint) + paint * np.array((216, 222, 224))
        if number + 1 < len(roads) and road.crosses(roads[number + 1]):
            crossed = surface[..., 0]
    return colour


def light_pools(
    colour: Floats,
    camera: Camera,
    lamps: list[tuple[float, float]],
    margin_px: int,
    strength: float,
) -> Floats:
    """Brightens the ground under the street lamps."""
    x, y, _ = camera.ground(margin_px)
    total = np.zeros(x.shape)
    for lamp_x, lamp_y in lamps:
        total += np.exp(-((x - lamp_x) ** 2 + (np.minimum(y, 1e6) - lamp_y) ** 2) / (2 * 6.0**2))
    return np.asarray(
        colour * (1 + strength * np.clip(total, 0, 1.5)[..., None] * np.array((0.75, 1.0, 1.2)))
    )


def _tile_lookup(tile: npt.NDArray[Any], x: Floats, y: Floats, size_m: float) -> Floats:
    """Returns the tile's values at ground points, the tile repeated each `size_m`."""
    n = tile.shape[0]
    columns = (np.mod(x / size_m, 1.0) * n).astype(np.float32)
    rows = (np.mod(y / size_m, 1.0) * n).astype(np.float32)
    found = cv2.remap(
        tile.astype(np.float32), columns, rows, cv2.INTER_LINEAR, None, cv2.BORDER_WRAP
    )
    return np.asarray(found, np.float64)


def _band(distance: Floats, half_width: float, footprint: Floats) -> Floats:
    """Returns how much of each pixel a stripe covers whose middle is `distance` away."""
    return np.clip((half_width - np.abs(distance)) / footprint + 0.5, 0, 1) * np.clip(
        2.2 * half_width / footprint, 0, 1
    )
