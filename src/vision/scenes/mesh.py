"""Solid models: a few convex parts each, with windows, wheels and lamps painted on.

Local axes in metres: x forwards, y to the left, z up, the origin on the ground under the middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .camera import Floats
from .light import Colour
from .splits import Split, draw_between

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


class MeshBuilder:
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
                self._face(disc(x, radius, radius, half_width * side), TYRE, normal)
                hub = disc(x, radius, 0.55 * radius, half_width * side)
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


def disc(x: float, z: float, radius: float, y: float) -> list[Point]:
    """Returns a polygon with ten corners around (x, y, z)."""
    turns = [2 * math.pi * (k + 0.5) / 10 for k in range(10)]
    return [(x + radius * math.cos(t), y, z + radius * math.sin(t)) for t in turns]


def on_side(x: tuple[float, float], z: tuple[float, float], y: float) -> list[Point]:
    """Returns the corners of a rectangle on a side, y from the middle."""
    return [(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])]


def on_end(y: tuple[float, float], z: tuple[float, float], x: float) -> list[Point]:
    """Returns the corners of a rectangle on the front or the rear, at x."""
    return [(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])]


def lamps_of(x_front: float, x_rear: float, half: float, z: float, size: float) -> list[Decal]:
    """Returns two head lamps and two tail lamps."""
    decals: list[Decal] = []
    for side in (1.0, -1.0):
        outer, inner = side * half * 0.96, side * half * 0.58
        span = (min(outer, inner), max(outer, inner))
        decals.append((on_end(span, (z, z + size), x_front), HEAD_LAMP, True, 1))
        decals.append((on_end(span, (z, z + size), x_rear), TAIL_LAMP, True, 2))
    return decals


def draw_paint(rng: np.random.Generator, split: Split) -> Colour:
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
