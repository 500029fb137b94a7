"""All of a scene that does not move: sky, ground, roads, houses, trees, lamp posts and signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from .camera import Camera
from .light import Colour, Light
from .painting import add_glow
from .roads import LANE_WIDTH_M, Road
from .splits import Split, draw_between

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_SHIFT: Final = 4
_NEAR_M: Final = 4.0
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


class _Painter:
    """Paints upright things, farthest first, into the image and the depth map."""

    def __init__(self, image: Image, camera: Camera, light: Light, margin_px: int) -> None:
        self.image = image
        self.depth_m = np.full(image.shape[:2], np.inf, np.float32)
        self.camera = camera
        self.light = light
        self.margin_px = margin_px

    def lit(self, colour: Colour, shade: float = 1.0) -> Colour:
        blue, green, red = (
            min(255.0, c * t * shade) for c, t in zip(colour, self.light.tint, strict=True)
        )
        return (blue, green, red)

    def depth_of(self, x: float, y: float) -> float:
        return float(self.camera.to_view(np.array([[x, y, 1.0]]))[0, 2])

    def pixels(self, points: Floats) -> Floats:
        return self.camera.project(points) + self.margin_px

    def polygon(self, points: Floats, colour: Colour, depth: float) -> None:
        corners = np.rint(np.clip(self.pixels(points), -2e4, 2e4) * 16).astype(np.int32)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(self.depth_m, [corners], depth, cv2.LINE_8, _SHIFT)

    def disc(self, centre: Floats, radius_px: float, colour: Colour, depth: float) -> None:
        spot = (round(centre[0] * 16), round(centre[1] * 16))
        radius = max(8, round(radius_px * 16))
        cv2.circle(self.image, spot, radius, colour, -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(self.depth_m, spot, radius, depth, -1, cv2.LINE_8, _SHIFT)


def _smooth_noise(rng: np.random.Generator, height: int, width: int, cells: int) -> Floats:
    """Returns cloudy noise [height, width] in 0..1."""
    total = np.zeros((height, width))
    weight = 1.0
    for octave in range(4):
        size = cells * 2**octave
        small = rng.random((max(2, size * height // width), size))
        total += weight * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= 0.5
    return np.clip(total / 1.875, 0, 1)


def _sky(rng: np.random.Generator, height: int, width: int, horizon: float, light: Light) -> Floats:
    """Returns the sky [height, width, 3], brighter towards the horizon, with clouds."""
    share = np.clip(np.arange(height) / max(horizon, 1.0), 0, 1)[:, None, None]
    top, low = np.asarray(light.sky_top), np.asarray(light.sky_horizon)
    sky = np.broadcast_to(top + (low - top) * share, (height, width, 3)).copy()
    if light.name != "night":
        cover = _smooth_noise(rng, height, width, 5)
        cloud = np.clip((cover - rng.uniform(0.42, 0.6)) * 4, 0, 0.85)[..., None]
        sky += (np.asarray(low) * 0.35 + 160 - sky) * cloud * 0.8
    return sky


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


def _ground(
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
    for road in roads:
        cosine, sine = math.cos(road.heading_rad), math.sin(road.heading_rad)
        along = (x - road.x_m) * cosine + (y - road.y_m) * sine
        left = -(x - road.x_m) * sine + (y - road.y_m) * cosine
        walk = _band(left, road.half_width_m + 2.4, footprint)[..., None]
        slab = 1 + 0.10 * grain - 0.08 * _band(np.mod(along, 1.5) - 0.75, 0.05, footprint)
        colour = colour * (1 - walk) + walk * np.array((150, 156, 160)) * slab[..., None]
        surface = _band(left, road.half_width_m, footprint)[..., None]
        kerb = _band(np.abs(left) - road.half_width_m - 0.1, 0.13, footprint)[..., None]
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
        worn_off = (0.82 + 0.3 * grain)[..., None]
        paint = np.clip(marks[..., None] * worn_off, 0, 1) * surface
        colour = colour * (1 - paint) + paint * np.array((216, 222, 224))
    return colour


def _lamp_pools(
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


def _facade(
    rng: np.random.Generator, painter: _Painter, storeys: int, bays: int, wall: Colour
) -> Image:
    """Returns a front [h, w, 3] with rows of windows."""
    cell = 24
    image = np.empty((storeys * cell, bays * cell, 3), np.uint8)
    image[:] = painter.lit(wall)
    glass = painter.lit((118, 100, 84))
    for row in range(storeys):
        for bay in range(bays):
            x, y = bay * cell, row * cell
            is_lit = painter.light.has_lamps and rng.random() < 0.3  # noqa: PLR2004
            pane: Colour = (120, 200, 235) if is_lit else glass
            shade = rng.uniform(0.75, 1.1)
            pane = (pane[0] * shade, pane[1] * shade, pane[2] * shade)
            cv2.rectangle(image, (x + 6, y + 5), (x + cell - 7, y + cell - 6), pane, -1)
            cv2.line(
                image,
                (x + 5, y + cell - 5),
                (x + cell - 6, y + cell - 5),
                painter.lit((190, 190, 190)),
            )
    return image


def _house(
    rng: np.random.Generator,
    painter: _Painter,
    middle: tuple[float, float],
    heading: float,
    size: tuple[float, float, float],
) -> None:
    """Paints a block with windows: its faces that look at the camera, then nothing of the roof."""
    length, depth, height = size
    grey = rng.uniform(95, 200)
    wall = (grey * rng.uniform(0.72, 1.0), grey * rng.uniform(0.88, 1.0), grey)
    cosine, sine = math.cos(heading), math.sin(heading)
    corners = [
        (
            middle[0] + cosine * a * length / 2 - sine * b * depth / 2,
            middle[1] + sine * a * length / 2 + cosine * b * depth / 2,
        )
        for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]
    distance = max(painter.depth_of(*middle), 1.0)
    for k in range(4):
        a, b = corners[k], corners[(k + 1) % 4]
        normal = np.array([b[1] - a[1], a[0] - b[0], 0.0])
        centre = np.array([(a[0] + b[0]) / 2 - middle[0], (a[1] + b[1]) / 2 - middle[1], 0.0])
        normal = normal if normal @ centre > 0 else -normal
        if normal[0] * a[0] + normal[1] * a[1] >= 0:
            continue
        quad = np.array([(*a, height), (*b, height), (*b, 0.0), (*a, 0.0)])
        if painter.camera.to_view(quad)[:, 2].min() < _NEAR_M / 2:
            continue
        shade = float(painter.light.shade((normal / np.linalg.norm(normal))[None])[0])
        wide = math.hypot(a[0] - b[0], a[1] - b[1])
        face = _facade(rng, painter, max(1, round(height / 3.2)), max(1, round(wide / 3.0)), wall)
        face = np.clip(face * shade, 0, 255).astype(np.uint8)
        target = painter.pixels(quad).astype(np.float32)
        h, w = face.shape[:2]
        source = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
        x0, y0 = (int(v) for v in np.maximum(target.min(axis=0) - 1, 0))
        limit = (painter.image.shape[1], painter.image.shape[0])
        x1, y1 = (int(v) for v in np.minimum(target.max(axis=0) + 2, limit))
        if x1 <= x0 or y1 <= y0:
            continue
        target = target - np.array((x0, y0), np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        warped = cv2.warpPerspective(
            face, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        outline = np.rint(np.clip(target, -2e4, 2e4) * 16).astype(np.int32)
        cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA, _SHIFT)
        share = (mask[..., None] / np.float32(255)).astype(np.float32)
        region = painter.image[y0:y1, x0:x1]
        region[:] = (region * (1 - share) + warped * share).astype(np.uint8)
        painter.depth_m[y0:y1, x0:x1][mask > 127] = distance  # noqa: PLR2004


def _tree(rng: np.random.Generator, painter: _Painter, x: float, y: float) -> None:
    """Paints a trunk and a crown of leaves."""
    depth = painter.depth_of(x, y)
    height = rng.uniform(4.5, 8.5)
    trunk = np.array(
        [
            (x - 0.14, y, 0.0),
            (x + 0.14, y, 0.0),
            (x + 0.08, y, 0.6 * height),
            (x - 0.08, y, 0.6 * height),
        ]
    )
    painter.polygon(trunk, painter.lit((58, 76, 96), 0.8), depth)
    scale = painter.camera.focal_px / depth
    crown = painter.pixels(np.array([[x, y, 0.72 * height]]))[0]
    base = np.array([rng.uniform(40, 70), rng.uniform(105, 140), rng.uniform(60, 110)])
    reach = 0.26 * height * scale
    for k in range(46):
        spread = rng.normal(0, 0.52, 2) * (reach, 1.05 * reach)
        bright = 0.62 + 0.012 * k - 0.25 * spread[1] / max(reach, 1)
        colour = base * bright * rng.uniform(0.9, 1.1)
        tone = painter.lit((colour[0], colour[1], colour[2]))
        painter.disc(crown + spread, reach * rng.uniform(0.18, 0.36), tone, depth)


def _post(painter: _Painter, x: float, y: float, height: float, lean: tuple[float, float]) -> None:
    """Paints a lamp post whose arm reaches over the road."""
    depth = painter.depth_of(x, y)
    grey = painter.lit((112, 110, 108))
    mast = [(x - 0.08, y, 0.0), (x + 0.08, y, 0.0), (x + 0.06, y, height), (x - 0.06, y, height)]
    painter.polygon(np.array(mast), grey, depth)
    tip = (x + 1.6 * lean[0], y + 1.6 * lean[1], height + 0.15)
    arm = [(x, y, height - 0.12), tip, (tip[0], tip[1], height + 0.3), (x, y, height)]
    painter.polygon(np.array(arm), grey, depth)
    if painter.light.has_lamps:
        at = painter.pixels(np.array([tip]))[0]
        size = 2.6 * painter.camera.focal_px / depth + 6
        add_glow(painter.image, at[0], at[1], size, (170.0, 220.0, 255.0), 1.0)


def _sign(rng: np.random.Generator, painter: _Painter, x: float, y: float) -> None:
    """Paints a road sign, a bin or a bus-stop board: none of them a class."""
    depth = painter.depth_of(x, y)
    kind = int(rng.integers(3))
    if kind < 2:  # noqa: PLR2004
        pole = np.array(
            [(x - 0.05, y, 0.0), (x + 0.05, y, 0.0), (x + 0.05, y, 2.6), (x - 0.05, y, 2.6)]
        )
        painter.polygon(pole, painter.lit((130, 130, 130)), depth)
        at = painter.pixels(np.array([[x, y, 2.5]]))[0]
        radius = 0.38 * painter.camera.focal_px / depth
        if kind == 0:
            painter.disc(at, radius, painter.lit((40, 36, 190)), depth)
            painter.disc(at, 0.7 * radius, painter.lit((230, 230, 232)), depth)
        else:
            board = np.array(
                [(x - 0.5, y, 2.0), (x + 0.5, y, 2.0), (x + 0.5, y, 2.8), (x - 0.5, y, 2.8)]
            )
            painter.polygon(board, painter.lit((176, 92, 30)), depth)
    else:
        colour = painter.lit((float(rng.uniform(40, 130)), float(rng.uniform(70, 130)), 60.0))
        bin_ = np.array(
            [(x - 0.4, y, 0.0), (x + 0.4, y, 0.0), (x + 0.4, y, 1.2), (x - 0.4, y, 1.2)]
        )
        painter.polygon(bin_, colour, depth)


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
            posts.append((x, y, lean))
            place += rng.uniform(20, 26)
    ground = _ground(rng, split, camera, roads, margin_px) * np.asarray(light.tint)
    if light.has_lamps:
        spots = [(x + 1.6 * lean[0], y + 1.6 * lean[1]) for x, y, lean in posts]
        ground = _lamp_pools(ground, camera, spots, margin_px, 0.5 if light.name == "dusk" else 2.2)
    _, ahead, _ = camera.ground(margin_px)
    haze = np.clip((np.minimum(ahead, 1e4) - 40) / 300, 0, 0.6)[..., None]
    ground = ground * (1 - haze) + np.asarray(light.sky_horizon) * 0.8 * haze
    sky = _sky(rng, height, width, horizon, light)
    rows = np.clip(np.arange(height) - horizon, 0, 1)[:, None, None]
    image = np.clip(sky * (1 - rows) + ground * rows, 0, 255).astype(np.uint8)
    painter = _Painter(image, camera, light, margin_px)
    _stand(rng, split, painter, roads, posts)
    return Backdrop(painter.image, painter.depth_m, margin_px)


def _is_clear(roads: tuple[Road, ...], x: float, y: float, room_m: float) -> bool:
    """Says whether a point is at least so far from every kerb."""
    for road in roads:
        cosine, sine = math.cos(road.heading_rad), math.sin(road.heading_rad)
        along = (x - road.x_m) * cosine + (y - road.y_m) * sine
        left = -(x - road.x_m) * sine + (y - road.y_m) * cosine
        if abs(left) < road.half_width_m + room_m and road.begin_m - 3 < along < road.end_m + 3:
            return False
    return True


def _stand(
    rng: np.random.Generator,
    split: Split,
    painter: _Painter,
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
        if depth < _NEAR_M:
            continue
        if kind == 0:
            x, y, heading, *size3 = values
            _house(rng, painter, (x, y), heading, (size3[0], size3[1], size3[2]))
        elif kind == 1:
            _tree(rng, painter, values[0], values[1])
        elif kind == 2:  # noqa: PLR2004
            _post(painter, values[0], values[1], 7.0, (values[2], values[3]))
        else:
            _sign(rng, painter, values[0], values[1])


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
