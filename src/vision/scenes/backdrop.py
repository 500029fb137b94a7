"""All of a scene that does not move: sky, ground, roads, houses, trees, lamp posts and signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .camera import Camera, Image
from .furniture import draw_post, draw_sign, draw_tree
from .ground import draw_ground, light_pools
from .houses import draw_house
from .light import Light
from .roads import Road
from .sky import draw_sky
from .splits import Split, draw_between
from .standing import NEAR_M, StandingPainter

_NEAREST_HOUSE_M: Final = 12.0


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The still part of a scene.

    Attributes:
        image: Colours, the frame and a margin on each side.
        depth_m: Distance of the nearest thing that stands up from the ground; infinite if none.
        margin_px: The margin.
    """

    image: Image
    depth_m: npt.NDArray[np.float32]
    margin_px: int


def draw_backdrop(
    rng: np.random.Generator,
    split: Split,
    camera: Camera,
    light: Light,
    roads: tuple[Road, ...],
    margin_px: int,
) -> Backdrop:
    """Paints the still part of a scene."""
    height, width = camera.height_px + 2 * margin_px, camera.width_px + 2 * margin_px
    horizon = camera.horizon_px() + margin_px
    posts: list[tuple[float, float, tuple[float, float]]] = []
    for road in roads:
        side = int(rng.choice([-1, 1]))
        cosine, sine = math.cos(road.heading_rad), math.sin(road.heading_rad)
        lean = (sine * side, -cosine * side)
        place = road.begin_m + rng.uniform(4, 14)
        while place < road.end_m:
            x, y = road.at(place, side * (road.half_width_m + 0.7))
            if _is_clear(tuple(one for one in roads if one.crosses(road)), x, y, 0.5):
                posts.append((x, y, lean))
            place += rng.uniform(20, 26)
    ground = draw_ground(rng, split, camera, roads, margin_px) * np.asarray(light.tint)
    if light.has_lamps:
        spots = [(x + 1.6 * lean[0], y + 1.6 * lean[1]) for x, y, lean in posts]
        ground = light_pools(ground, camera, spots, margin_px, 0.5 if light.name == "dusk" else 2.2)
    _, ahead, _ = camera.ground(margin_px)
    haze = np.clip((np.minimum(ahead, 1e4) - 40) / 300, 0, 0.6)[..., None]
    ground = ground * (1 - haze) + np.asarray(light.sky_horizon) * 0.8 * haze
    sky = draw_sky(rng, height, width, horizon, light)
    rows = np.clip(np.arange(height) - horizon, 0, 1)[:, None, None]
    image = np.clip(sky * (1 - rows) + ground * rows, 0, 255).astype(np.uint8)
    painter = StandingPainter(image, camera, light, margin_px)
    _stand(rng, split, painter, roads, posts)
    return Backdrop(painter.image, painter.depth_m, margin_px)


def _stand(
    rng: np.random.Generator,
    split: Split,
    painter: StandingPainter,
    roads: tuple[Road, ...],
    posts: list[tuple[float, float, tuple[float, float]]],
) -> None:
    """Puts up houses, trees, posts and signs, farthest first."""
    things: list[tuple[float, int, tuple[float, ...]]] = []
    density = draw_between(rng, 0.25, 0.95, split)
    for road in roads:
        for side in (-1, 1):
            place = road.begin_m - 20.0
            while place < road.end_m + 60:
                length = float(rng.uniform(10, 22))
                left = side * (road.half_width_m + 4.5 + float(rng.uniform(5, 9)))
                x, y = road.at(place + length / 2, left)
                size = (length, 9.0, float(rng.uniform(6, 20)))
                is_behind = y > _NEAREST_HOUSE_M and _hides_nothing(roads, x, y, 10.0)
                if rng.random() < density and is_behind and _is_clear(roads, x, y, 7.5):
                    things.append((painter.depth_of(x, y), 0, (x, y, road.heading_rad, *size)))
                place += length + float(rng.uniform(0.5, 8))
            place = road.begin_m + float(rng.uniform(0, 8))
            while place < road.end_m + 30:
                x, y = road.at(place, side * (road.half_width_m + float(rng.uniform(2.6, 4.5))))
                if y > 9 and _is_clear(roads, x, y, 1.8):  # noqa: PLR2004
                    kind = 1 if rng.random() < 0.55 else 3  # noqa: PLR2004
                    if kind == 3 or _hides_nothing(roads, x, y, 4.0) or rng.random() < 0.12:  # noqa: PLR2004
                        things.append((painter.depth_of(x, y), kind, (x, y)))
                place += float(rng.uniform(6, 18))
    for bearing in np.arange(-0.9, 0.9, 0.09):
        distance = float(rng.uniform(95, 150))
        x, y = distance * math.sin(bearing), distance * math.cos(bearing)
        size = (float(rng.uniform(14, 30)), 10.0, float(rng.uniform(5, 24)))
        if rng.random() < 0.5:  # noqa: PLR2004
            things.append((painter.depth_of(x, y), 0, (x, y, -bearing, *size)))
        else:
            things.append((painter.depth_of(x, y), 1, (x, y)))
    for x, y, lean in posts:
        things.append((painter.depth_of(x, y), 2, (x, y, *lean)))
    for depth, kind, values in sorted(things, reverse=True):
        if depth < NEAR_M:
            continue
        if kind == 0:
            x, y, heading, *size3 = values
            draw_house(rng, painter, (x, y), heading, (size3[0], size3[1], size3[2]))
        elif kind == 1:
            draw_tree(rng, painter, values[0], values[1])
        elif kind == 2:  # noqa: PLR2004
            draw_post(painter, values[0], values[1], 7.0, (values[2], values[3]))
        else:
            draw_sign(rng, painter, values[0], values[1])


def _is_clear(roads: tuple[Road, ...], x: float, y: float, room_m: float) -> bool:
    """Says whether a point is at least so far from every kerb."""
    for road in roads:
        cosine, sine = math.cos(road.heading_rad), math.sin(road.heading_rad)
        along = (x - road.x_m) * cosine + (y - road.y_m) * sine
        left = -(x - road.x_m) * sine + (y - road.y_m) * cosine
        if abs(left) < road.half_width_m + room_m and road.begin_m - 3 < along < road.end_m + 3:
            return False
    return True


def _hides_nothing(roads: tuple[Road, ...], x: float, y: float, room_m: float) -> bool:
    """Says whether no road passes behind a tall thing at this place, as the camera sees it."""
    for road in roads:
        for along in np.arange(road.begin_m, road.end_m, 3.0):
            px, py = road.at(float(along), 0.0)
            if py <= y:
                continue
            beside = abs(px * y - x * py) / max(math.hypot(x, y), 1.0)
            if beside < room_m + road.half_width_m and px * x + py * y > 0:
                return False
    return True
