"""Solid models of vehicles: a few convex parts each, with windows, wheels and lamps painted on.

Local axes in metres: x forwards, y to the left, z up, the origin on the ground under the middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .light import Colour
from .splits import Split, draw_between

Floats = npt.NDArray[np.float64]
Point = tuple[float, float, float]
Decal = tuple[list[Point], Colour, bool, int]
"""Corners, paint, whether it may be left out at a distance, and which lamp it is (see `Mesh`)."""

GLASS: Final[Colour] = (92, 78, 62)
TYRE: Final[Colour] = (30, 28, 28)
UNDER: Final[Colour] = (34, 34, 36)
HEAD_LAMP: Final[Colour] = (225, 240, 245)
TAIL_LAMP: Final[Colour] = (40, 30, 190)


@dataclass(frozen=True, slots=True)
class Part:
    """One convex part.

    Attributes:
        layer: Parts of a lower layer are painted first, whatever their distance.
        centre: Local centre, which orders the parts of one layer.
        first: Index of its first face.
        last: Index after its last face.
    """

    layer: int
    centre: Floats
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Mesh:
    """A vehicle's surfaces.

    Attributes:
        vertices: Local points [v, 3].
        faces: For each face the indices of its corners.
        normals: Outward unit normal of each face [f, 3].
        anchors: One point of each face [f, 3].
        colours: Paint of each face [f, 3].
        is_decal: Whether the face is painted on another and leaves the outline alone.
        is_detail: Whether the face may be left out at a distance.
        lamp: 0 for no lamp, 1 for a head lamp, 2 for a tail lamp.
        parts: The parts.
        part_centres: Their centres [p, 3].
        radius_m: No corner is farther from the middle on the ground.
        length_m: Length.
        width_m: Width.
    """

    vertices: Floats
    faces: tuple[npt.NDArray[np.intp], ...]
    normals: Floats
    anchors: Floats
    colours: Floats
    is_decal: tuple[bool, ...]
    is_detail: tuple[bool, ...]
    lamp: tuple[int, ...]
    parts: tuple[Part, ...]
    part_centres: Floats
    radius_m: float
    length_m: float
    width_m: float


class _Builder:
    """Collects parts and faces."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._faces: list[tuple[list[int], Colour, Floats, bool, bool, int]] = []
        self._parts: list[Part] = []

    def _face(
        self,
        corners: Sequence[Point],
        colour: Colour,
        normal: Floats,
        *,
        is_decal: bool = False,
        is_detail: bool = False,
        lamp: int = 0,
    ) -> None:
        first = len(self._points)
        self._points.extend(corners)
        indices = list(range(first, first + len(corners)))
        self._faces.append((indices, colour, normal, is_decal, is_detail, lamp))

    def solid(
        self,
        layer: int,
        profile: Sequence[tuple[float, float]],
        half_widths: Sequence[float],
        colour: Colour,
        decals: Sequence[Decal] = (),
    ) -> None:
        """Adds a convex part: a side view (x, z) drawn out to +-half_width at each corner."""
        first = len(self._faces)
        left = [(x, w, z) for (x, z), w in zip(profile, half_widths, strict=True)]
        right = [(x, -w, z) for x, w, z in left]
        centre = np.mean(np.array(left + right), axis=0)
        sides: list[Sequence[Point]] = [left, right]
        for i in range(len(profile)):
            j = (i + 1) % len(profile)
            sides.append([left[i], left[j], right[j], right[i]])
        for corners in sides:
            self._face(corners, colour, _normal(corners, centre))
        for corners, paint, is_detail, lamp in decals:
            normal = _normal(corners, centre)
            self._face(corners, paint, normal, is_decal=True, is_detail=is_detail, lamp=lamp)
        self._parts.append(Part(layer, centre, first, len(self._faces)))

    def box(
        self,
        layer: int,
        x: tuple[float, float],
        z: tuple[float, float],
        half_width: float,
        colour: Colour,
        decals: Sequence[Decal] = (),
    ) -> None:
        """Adds a box."""
        profile = [(x[0], z[0]), (x[1], z[0]), (x[1], z[1]), (x[0], z[1])]
        self.solid(layer, profile, [half_width] * 4, colour, decals)

    def wheels(self, positions: Sequence[float], radius: float, half_width: float) -> None:
        """Adds upright discs on both sides, as part of the outline."""
        for side in (1, -1):
            first = len(self._faces)
            normal = np.array([0.0, side, 0.0])
            for x in positions:
                self._face(_disc(x, radius, radius, half_width * side), TYRE, normal)
                hub = _disc(x, radius, 0.55 * radius, half_width * side)
                self._face(hub, (120, 120, 120), normal, is_decal=True, is_detail=True)
            centre = np.array([0.0, half_width * side, radius])
            self._parts.append(Part(3, centre, first, len(self._faces)))

    def mesh(self, length_m: float, width_m: float) -> Mesh:
        """Returns what was collected."""
        vertices = np.array(self._points)
        return Mesh(
            vertices=vertices,
            faces=tuple(np.array(face[0], np.intp) for face in self._faces),
            normals=np.array([face[2] for face in self._faces]),
            anchors=np.array([vertices[face[0]].mean(axis=0) for face in self._faces]),
            colours=np.array([face[1] for face in self._faces]),
            is_decal=tuple(face[3] for face in self._faces),
            is_detail=tuple(face[4] for face in self._faces),
            lamp=tuple(face[5] for face in self._faces),
            parts=tuple(self._parts),
            part_centres=np.array([part.centre for part in self._parts]),
            radius_m=float(np.sqrt(np.square(vertices).sum(axis=1).max())),
            length_m=length_m,
            width_m=width_m,
        )


def _normal(corners: Sequence[Point], centre: Floats) -> Floats:
    """Returns the unit normal of a face that points away from the part's centre."""
    points = np.array(corners)
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
    return normal if float(normal @ (points.mean(axis=0) - centre)) >= 0 else -normal


def _disc(x: float, z: float, radius: float, y: float) -> list[Point]:
    """Returns a polygon with ten corners around (x, y, z)."""
    turns = [2 * math.pi * (k + 0.5) / 10 for k in range(10)]
    return [(x + radius * math.cos(t), y, z + radius * math.sin(t)) for t in turns]


def _on_side(x: tuple[float, float], z: tuple[float, float], y: float) -> list[Point]:
    return [(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])]


def _on_end(y: tuple[float, float], z: tuple[float, float], x: float) -> list[Point]:
    return [(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])]


def _lamps(x_front: float, x_rear: float, half: float, z: float, size: float) -> list[Decal]:
    """Returns two head lamps and two tail lamps."""
    decals: list[Decal] = []
    for side in (1.0, -1.0):
        outer, inner = side * half * 0.96, side * half * 0.58
        span = (min(outer, inner), max(outer, inner))
        decals.append((_on_end(span, (z, z + size), x_front), HEAD_LAMP, True, 1))
        decals.append((_on_end(span, (z, z + size), x_rear), TAIL_LAMP, True, 2))
    return decals


def _paint(rng: np.random.Generator, split: Split) -> Colour:
    """Draws a body paint; hues and greys come from the split's own bands."""
    if rng.random() < 0.45:  # noqa: PLR2004
        grey = draw_between(rng, 40, 235, split)
        return (grey * 1.02, grey, grey * 0.98)
    hue = draw_between(rng, 0, 360, split)
    value, saturation = rng.uniform(110, 225), rng.uniform(0.45, 0.85)
    channels = []
    for shift in (240.0, 120.0, 0.0):
        wave = abs(((hue - shift + 180) % 360) - 180) / 60
        channels.append(value * (1 - saturation * min(1.0, max(0.0, wave - 1))))
    return (channels[0], channels[1], channels[2])


def car(rng: np.random.Generator, split: Split) -> Mesh:
    """Draws a saloon, a hatchback or an off-roader."""
    kind = rng.choice(["saloon", "hatchback", "offroad"])
    length = {"saloon": 4.7, "hatchback": 4.0, "offroad": 4.6}[kind] * rng.uniform(0.95, 1.05)
    height = {"saloon": 1.45, "hatchback": 1.5, "offroad": 1.78}[kind] * rng.uniform(0.97, 1.03)
    half, end, belt = 0.92 * rng.uniform(0.96, 1.04), length / 2, 0.6 * height
    paint = _paint(rng, split)
    builder = _Builder()
    builder.box(0, (-0.44 * length, 0.44 * length), (0.1, 0.4), half * 0.9, UNDER)
    nose, tail = 0.48 * height, 0.54 * height
    profile = [
        (-end + 0.08, 0.24),
        (end - 0.05, 0.24),
        (end, 0.35 * height),
        (end - 0.12, nose),
        (0.22 * length, belt),
        (-end + 0.06, belt if kind != "saloon" else tail),
        (-end, 0.45 * height),
    ]
    plate: list[Decal] = [
        (_on_end((-0.26, 0.26), (0.34, 0.46), -end), (215, 220, 220), True, 0),
        (_on_end((-0.5, 0.5), (0.3, 0.42), end), (40, 40, 40), True, 0),
    ]
    lamps = _lamps(end - 0.02, -end, half, 0.36 * height, 0.14)
    builder.solid(1, profile, [half] * 7, paint, [*plate, *lamps])
    back = {"saloon": -0.32, "hatchback": -0.46, "offroad": -0.48}[kind] * length
    roof = {"saloon": -0.18, "hatchback": -0.34, "offroad": -0.42}[kind] * length
    front, brow, top = 0.24 * length, 0.07 * length, half * 0.76
    cabin = [(back, belt - 0.02), (front, belt - 0.02), (brow, height), (roof, height)]
    glass: list[Decal] = []
    for side in (1, -1):
        low, high = side * (half * 0.985), side * (top * 1.03)
        post = 0.25 * (roof + brow) + 0.25 * (back + front)
        for a, b, c, d in (
            (back + 0.2, post - 0.05, post - 0.05, roof + 0.1),
            (post + 0.05, front - 0.28, brow - 0.08, post + 0.05),
        ):
            z = (belt + 0.04, height - 0.1)
            corners = [(a, low, z[0]), (b, low, z[0]), (c, high, z[1]), (d, high, z[1])]
            glass.append((corners, GLASS, False, 0))
    for x_low, x_high in ((front, brow), (back, roof)):
        share = (height - 0.1 - belt) / (height - belt + 0.02)
        x_top = x_low + (x_high - x_low) * share
        corners = [
            (x_low, -half * 0.9, belt + 0.04),
            (x_low, half * 0.9, belt + 0.04),
            (x_top, top * 0.94, height - 0.1),
            (x_top, -top * 0.94, height - 0.1),
        ]
        glass.append((corners, GLASS, False, 0))
    builder.solid(2, cabin, [half * 0.97, half * 0.97, top, top], paint, glass)
    radius = 0.33 if kind != "offroad" else 0.38
    builder.wheels((-0.3 * length, 0.31 * length), radius, half * 1.005)
    return builder.mesh(length, 2 * half)


def bus(rng: np.random.Generator, split: Split) -> Mesh:
    """Draws a town bus: one long box with rows of windows and a lit sign."""
    length, half = rng.uniform(9.5, 12.5), 1.27
    height = rng.uniform(3.0, 3.3)
    end = length / 2
    paint, stripe = _paint(rng, split), _paint(rng, split)
    builder = _Builder()
    builder.box(0, (-0.47 * length, 0.47 * length), (0.12, 0.5), half * 0.93, UNDER)
    decals: list[Decal] = []
    num_windows = round(length / 1.5)
    pitch = (length - 1.2) / num_windows
    for side in (1, -1):
        y = side * half
        decals.append((_on_side((-end, end), (0.8, 1.05), y), stripe, False, 0))
        for k in range(num_windows):
            x = -end + 0.5 + k * pitch
            decals.append((_on_side((x, x + pitch - 0.16), (1.4, 2.5), y), GLASS, False, 0))
    for share in (0.32, -0.05):
        door = _on_side((share * length, share * length + 1.2), (0.4, 2.5), -half)
        decals.append((door, (70, 64, 58), True, 0))
    wide = (-half * 0.9, half * 0.9)
    decals.append((_on_end(wide, (1.15, height - 0.5), end), GLASS, False, 0))
    decals.append(
        (_on_end((-0.8, 0.8), (height - 0.42, height - 0.12), end), (60, 170, 235), True, 0)
    )
    decals.append((_on_end(wide, (1.6, height - 0.5), -end), GLASS, False, 0))
    decals.extend(_lamps(end, -end, half, 0.55, 0.22))
    builder.box(1, (-end, end), (0.35, height), half, paint, decals)
    builder.box(2, (-0.3 * length, 0.1 * length), (height, height + 0.22), 0.7, (185, 185, 185))
    builder.wheels((-0.27 * length, 0.3 * length), 0.5, half * 1.003)
    return builder.mesh(length, 2 * half)


def truck(rng: np.random.Generator, split: Split) -> Mesh:
    """Draws a lorry: a cab, a gap, and a closed box, a tipper or a tank behind it."""
    kind = rng.choice(["box", "box", "tipper", "tank"])
    length, half = rng.uniform(6.8, 10.5), 1.22
    end = length / 2
    cab_height, cab_rear = rng.uniform(2.5, 2.9), end - rng.uniform(1.8, 2.2)
    paint, load_paint = _paint(rng, split), _paint(rng, split)
    builder = _Builder()
    builder.box(0, (-0.47 * length, 0.46 * length), (0.45, 0.95), half * 0.7, UNDER)
    decals: list[Decal] = [
        (_on_end((-half * 0.9, half * 0.9), (1.5, cab_height - 0.25), end), GLASS, False, 0),
        (_on_end((-half * 0.75, half * 0.75), (0.75, 1.3), end), (52, 52, 54), False, 0),
    ]
    for side in (1, -1):
        window = _on_side((cab_rear + 0.5, end - 0.25), (1.5, cab_height - 0.35), side * half)
        decals.append((window, GLASS, False, 0))
    decals.extend(d for d in _lamps(end, cab_rear, half, 0.6, 0.2) if d[3] == 1)
    builder.box(1, (cab_rear, end), (0.45, cab_height), half, paint, decals)
    front = cab_rear - rng.uniform(0.3, 0.6)
    tails = [d for d in _lamps(end, -end, half, 0.95, 0.2) if d[3] == 2]  # noqa: PLR2004
    if kind == "box":
        top = rng.uniform(3.3, 3.9)
        seams: list[Decal] = []
        dark = (load_paint[0] * 0.78, load_paint[1] * 0.78, load_paint[2] * 0.78)
        for side in (1, -1):
            low_edge = _on_side((-end, front), (0.95, 1.15), side * half * 1.02)
            seams.append((low_edge, dark, False, 0))
        seams.append((_on_end((-0.04, 0.04), (1.2, top - 0.1), -end), dark, True, 0))
        builder.box(1, (-end, front), (0.95, top), half * 1.02, load_paint, [*seams, *tails])
    elif kind == "tipper":
        top = rng.uniform(2.2, 2.7)
        profile = [(-end + 0.3, 0.95), (front, 0.95), (front, top), (-end, top)]
        ribs: list[Decal] = []
        dark = (load_paint[0] * 0.7, load_paint[1] * 0.7, load_paint[2] * 0.7)
        for side in (1, -1):
            for k in range(4):
                x = -end + 0.5 + k * (front + end - 0.8) / 3.5
                ribs.append(
                    (_on_side((x, x + 0.16), (1.0, top - 0.08), side * half), dark, True, 0)
                )
        builder.solid(1, profile, [half] * 4, load_paint, [*ribs, *tails])
        heap = [(-end + 0.2, top), (front - 0.2, top), (0.5 * front - 0.4 * end, top + 0.45)]
        builder.solid(2, heap, [half * 0.85, half * 0.85, 0.3], (72, 96, 118))
    else:
        top = rng.uniform(2.8, 3.2)
        low = 1.0
        bands = ((low, half * 0.5, low + 0.45, half), (low + 0.45, half, top - 0.45, half))
        for z0, w0, z1, w1 in (*bands, (top - 0.45, half, top, half * 0.45)):
            profile = [(-end, z0), (front, z0), (front, z1), (-end, z1)]
            shown = tails if z0 == low + 0.45 else []
            builder.solid(1, profile, [w0, w0, w1, w1], load_paint, shown)
    builder.wheels((-0.34 * length, -0.22 * length, cab_rear + 0.9), 0.5, half * 1.0)
    return builder.mesh(length, 2 * half)


def motorcycle(rng: np.random.Generator, split: Split) -> Mesh:
    """Draws a motorcycle with its rider."""
    length = rng.uniform(1.95, 2.3)
    end, radius = length / 2, 0.31
    paint, jacket, helmet = (_paint(rng, split) for _ in range(3))
    dark = (jacket[0] * 0.5, jacket[1] * 0.5, jacket[2] * 0.5)
    builder = _Builder()
    for x in (-end + radius, end - radius):
        disc = _disc(x, radius, radius, 0.0)
        profile = [(point[0], point[2]) for point in disc]
        hub = [(0.6 * (px - x) + x, 0.08, 0.6 * (pz - radius) + radius) for px, pz in profile]
        other = [(px, -py, pz) for px, py, pz in hub]
        grey: Colour = (110, 110, 112)
        builder.solid(
            0, profile, [0.075] * 10, TYRE, [(hub, grey, True, 0), (other, grey, True, 0)]
        )
    frame = [
        (-0.8 * end, 0.75),
        (-0.35 * end, 0.3),
        (0.35 * end, 0.3),
        (0.72 * end, 0.85),
        (0.5 * end, 1.0),
    ]
    builder.solid(1, frame, [0.16, 0.18, 0.18, 0.14, 0.14], paint)
    lamps: list[Decal] = [
        (_on_end((-0.1, 0.1), (0.8, 0.98), 0.8 * end), HEAD_LAMP, True, 1),
    ]
    bar = [(0.55 * end, 0.8), (0.8 * end, 0.78), (0.8 * end, 1.05), (0.6 * end, 1.1)]
    builder.solid(1, bar, [0.3, 0.14, 0.14, 0.34], (58, 58, 60), lamps)
    tail: list[Decal] = [(_on_end((-0.09, 0.09), (0.74, 0.86), -0.82 * end), TAIL_LAMP, True, 2)]
    builder.box(1, (-0.82 * end, -0.1 * end), (0.7, 0.88), 0.15, (44, 44, 46), tail)
    legs = [(-0.3 * end, 0.85), (0.1 * end, 0.45), (0.3 * end, 0.5), (0.25 * end, 0.95)]
    builder.solid(2, legs, [0.24, 0.26, 0.26, 0.26], dark)
    torso = [
        (-0.42 * end, 0.85),
        (0.05 * end, 0.85),
        (0.28 * end, 1.35),
        (0.0, 1.48),
        (-0.2 * end, 1.35),
    ]
    builder.solid(3, torso, [0.2, 0.2, 0.27, 0.22, 0.27], jacket)
    head = _disc(0.2 * end, 1.6, 0.15, 0.0)
    visor: list[Decal] = [
        (_on_end((-0.1, 0.1), (1.56, 1.68), 0.2 * end + 0.14), (40, 40, 40), True, 0)
    ]
    builder.solid(4, [(p[0], p[2]) for p in head], [0.13] * 10, helmet, visor)
    return builder.mesh(length, 0.75)


BUILDERS: Final = (car, bus, truck, motorcycle)
"""One for each class, in the order of the class ids."""
