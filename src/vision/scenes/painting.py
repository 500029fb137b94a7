"""Paints one vehicle or walker into a frame, and its outline into the frame's id map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from .camera import Camera, Floats, Image
from .light import Colour, Light
from .mesh import Mesh

Rect = tuple[int, int, int, int]
"""First column, first row, end column, end row, in pixels."""

_SHIFT: Final = 4
_NEAR_M: Final = 0.6
_FAR_PX: Final = 1e5
_DETAIL_PX_PER_M: Final = 7.0
_HEAD_LAMP_LIT: Final = (235, 252, 255)
_TAIL_LAMP_LIT: Final = (60, 50, 255)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a vehicle stands: its middle on the ground (m) and its heading from the x axis (rad)."""

    x_m: float
    y_m: float
    heading_rad: float


@dataclass(frozen=True, slots=True)
class Outline:
    """A vehicle as the camera sees it.

    Attributes:
        polygons: Corners of the faces in sight, int32 [c, 2], in sixteenths of a pixel.
        indices: Which face each polygon shows.
        low: Least x and y of the corners.
        high: Greatest x and y of the corners.
        depth_m: Distance of its middle along the optical axis.
        px_per_m: Scale at its middle.
    """

    polygons: list[npt.NDArray[np.int32]]
    indices: list[int]
    low: Floats
    high: Floats
    depth_m: float
    px_per_m: float

    def rect(self, width_px: int, height_px: int, margin_px: int = 2) -> Rect:
        """Returns the pixels it can touch, cut to the frame; empty if end <= first."""
        return (
            max(0, math.floor(self.low[0]) - margin_px),
            max(0, math.floor(self.low[1]) - margin_px),
            min(width_px, math.ceil(self.high[0]) + margin_px + 1),
            min(height_px, math.ceil(self.high[1]) + margin_px + 1),
        )


def outline(mesh: Mesh, pose: Pose, camera: Camera, shake_px: tuple[int, int]) -> Outline | None:
    """Returns what the camera sees of a vehicle, parts farthest first, or None if nothing."""
    cosine, sine = math.cos(pose.heading_rad), math.sin(pose.heading_rad)
    local = mesh.vertices
    world = np.empty_like(local)
    world[:, 0] = pose.x_m + cosine * local[:, 0] - sine * local[:, 1]
    world[:, 1] = pose.y_m + sine * local[:, 0] + cosine * local[:, 1]
    world[:, 2] = local[:, 2]
    view = camera.to_view(world)
    middle = camera.to_view(np.array([[pose.x_m, pose.y_m, 0.7]]))[0]
    nearest = float(view[:, 2].min())
    if float(view[:, 2].max()) <= _NEAR_M:
        return None
    eye = np.array(
        [
            cosine * -pose.x_m + sine * -pose.y_m,
            -sine * -pose.x_m + cosine * -pose.y_m,
            camera.height_m,
        ]
    )
    in_sight = np.einsum("ij,ij->i", mesh.normals, eye - mesh.anchors) > 0
    scale = camera.focal_px / max(float(middle[2]), 1.0)
    away = np.square(mesh.part_centres - eye).sum(axis=1).tolist()
    order = sorted(range(len(away)), key=lambda k: (mesh.parts[k].layer, -away[k]))
    shown = [
        i
        for k in order
        for i in range(mesh.parts[k].first, mesh.parts[k].last)
        if in_sight[i] and (scale > _DETAIL_PX_PER_M or not mesh.is_detail[i])
    ]
    offset = np.array(shake_px, np.float64)
    if nearest > _NEAR_M:
        image = camera.to_image(view) + offset
        fixed = _to_fixed(image)
        polygons = [fixed[mesh.faces[i]] for i in shown]
        low, high = image.min(axis=0), image.max(axis=0)
    else:
        clipped = [(i, _clip(view[mesh.faces[i]])) for i in shown]
        kept = [(i, camera.to_image(face) + offset) for i, face in clipped if len(face)]
        if not kept:
            return None
        shown = [i for i, _ in kept]
        cut = [np.clip(face, -_FAR_PX, _FAR_PX) for _, face in kept]
        polygons = [_to_fixed(face) for face in cut]
        corners = np.concatenate(cut)
        low, high = corners.min(axis=0), corners.max(axis=0)
    return Outline(polygons, shown, low, high, float(middle[2]), scale)


def _to_fixed(points: Floats) -> npt.NDArray[np.int32]:
    """Turns pixels into the fixed-point numbers that polygons are filled from."""
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def _clip(face: Floats) -> Floats:
    """Cuts a polygon in view coordinates off at the near plane."""
    kept: list[Floats] = []
    for k in range(len(face)):
        a, b = face[k - 1], face[k]
        if (a[2] > _NEAR_M) != (b[2] > _NEAR_M):
            kept.append(a + (b - a) * (_NEAR_M - a[2]) / (b[2] - a[2]))
        if b[2] > _NEAR_M:
            kept.append(b)
    return np.array(kept)


def shades(mesh: Mesh, heading_rad: float, light: Light) -> list[Colour]:
    """Returns the lit colour of each face at a heading."""
    cosine, sine = math.cos(heading_rad), math.sin(heading_rad)
    turned = mesh.normals.copy()
    turned[:, 0] = cosine * mesh.normals[:, 0] - sine * mesh.normals[:, 1]
    turned[:, 1] = sine * mesh.normals[:, 0] + cosine * mesh.normals[:, 1]
    lit = mesh.colours * light.shade(turned)[:, None] * np.asarray(light.tint)
    colours: list[Colour] = []
    for lamp, paint in zip(mesh.lamp, np.clip(lit, 0, 255).tolist(), strict=True):
        if lamp and light.has_lamps:
            colours.append(_HEAD_LAMP_LIT if lamp == 1 else _TAIL_LAMP_LIT)
        else:
            colours.append((paint[0], paint[1], paint[2]))
    return colours


def paint(image: Image, seen: Outline, colours: list[Colour]) -> None:
    """Paints the faces in sight, smooth at the edges."""
    for index, polygon in zip(seen.indices, seen.polygons, strict=True):
        cv2.fillConvexPoly(image, polygon, colours[index], cv2.LINE_AA, _SHIFT)


def mark(ids: Image, seen: Outline, mesh: Mesh, value: int) -> None:
    """Writes `value` into the id map wherever the vehicle's outline covers it."""
    for index, polygon in zip(seen.indices, seen.polygons, strict=True):
        if not mesh.is_decal[index]:
            cv2.fillConvexPoly(ids, polygon, value, cv2.LINE_8, _SHIFT)


def cast_shadow(
    image: Image, mesh: Mesh, pose: Pose, camera: Camera, light: Light, shake_px: tuple[int, int]
) -> None:
    """Darkens the ground where the vehicle takes the light away."""
    height, width = image.shape[:2]
    cosine, sine = math.cos(pose.heading_rad), math.sin(pose.heading_rad)
    half_length, half_width = 0.48 * mesh.length_m, 0.5 * mesh.width_m
    top = float(mesh.vertices[:, 2].max()) * 0.9
    drift = np.asarray(light.sun[:2]) / max(light.sun[2], 0.2) * (-top)
    if light.sun_ratio < 0.3:  # noqa: PLR2004
        drift, half_length, half_width = drift * 0, half_length * 1.08, half_width * 1.2
    corners = np.zeros((8, 3))
    for k, (along, across) in enumerate(((1, 1), (1, -1), (-1, -1), (-1, 1))):
        x = pose.x_m + cosine * along * half_length - sine * across * half_width
        y = pose.y_m + sine * along * half_length + cosine * across * half_width
        corners[k, :2] = x, y
        corners[k + 4, :2] = x + drift[0], y + drift[1]
    view = camera.to_view(corners)
    if float(view[:, 2].min()) < _NEAR_M:
        return
    points = camera.to_image(view) + np.array(shake_px, np.float64)
    soft = max(1, round(0.12 * camera.focal_px / float(view[:, 2].mean())))
    low, high = points.min(axis=0) - 2 * soft, points.max(axis=0) + 2 * soft
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(width, int(high[0]) + 1), min(height, int(high[1]) + 1)
    if x1 <= x0 or y1 <= y0:
        return
    hull = cv2.convexHull((points - (x0, y0)).astype(np.float32))
    depth = 0.30 + 0.25 * light.sun_ratio
    mask = np.full((y1 - y0, x1 - x0), 255, np.uint8)
    lowest = round(255 * (1 - depth))
    cv2.fillConvexPoly(mask, np.rint(hull * 16).astype(np.int32), lowest, cv2.LINE_AA, _SHIFT)
    mask = cv2.blur(mask, (2 * soft + 1, 2 * soft + 1))
    region = image[y0:y1, x0:x1]
    cv2.multiply(region, cv2.merge((mask, mask, mask)), dst=region, scale=1 / 255)


@lru_cache(maxsize=64)
def _glow(size: int, colour: Colour, strength: float) -> Image:
    """Returns a round light [size, size, 3] that fades out."""
    axis = np.linspace(-1, 1, size)
    radius = np.hypot(axis[:, None], axis[None, :])
    fall = strength * np.clip(1 - radius, 0, 1) ** 2.2
    return np.asarray(fall[..., None] * np.asarray(colour)).astype(np.uint8)


def add_glow(
    image: Image, x: float, y: float, size_px: float, colour: Colour, strength: float
) -> None:
    """Adds a round light to the image around (x, y)."""
    size = min(400, max(5, 4 * round(size_px / 4) + 1))
    left, top = round(x) - size // 2, round(y) - size // 2
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(image.shape[1], left + size), min(image.shape[0], top + size)
    if x1 > x0 and y1 > y0:
        region = image[y0:y1, x0:x1]
        glow = _glow(size, colour, strength)[y0 - top : y1 - top, x0 - left : x1 - left]
        cv2.add(region, glow, dst=region)


def light_lamps(image: Image, seen: Outline, mesh: Mesh) -> None:
    """Adds the glow of the lamps in sight."""
    for index, polygon in zip(seen.indices, seen.polygons, strict=True):
        lamp = mesh.lamp[index]
        if lamp:
            x, y = polygon.mean(axis=0) / (1 << _SHIFT)
            if not (-300 < x < image.shape[1] + 300 and -300 < y < image.shape[0] + 300):  # noqa: PLR2004
                continue
            size = seen.px_per_m * (1.5 if lamp == 1 else 0.9) + 4
            colour = (215.0, 240.0, 255.0) if lamp == 1 else (30.0, 24.0, 200.0)
            add_glow(image, x, y, size, colour, 0.75)


def covered_by(ids: Image, value: int) -> Image:
    """Returns 255 where the id map holds `value`, else 0."""
    return np.asarray(cv2.compare(ids, value, cv2.CMP_EQ), np.uint8)  # type: ignore[call-overload]


def hidden_before(depth_m: npt.NDArray[np.float32], limit_m: float) -> Image:
    """Returns 255 where something stands nearer than `limit_m`, else 0."""
    return np.asarray(cv2.compare(depth_m, limit_m, cv2.CMP_LT), np.uint8)  # type: ignore[call-overload]


def blur_motion(
    image: Image, ids: Image, rect: Rect, value: int, shift_px: tuple[float, float]
) -> None:
    """Smears the vehicle with id `value` along its way during the exposure."""
    reach = math.hypot(*shift_px)
    if reach < 1.5:  # noqa: PLR2004
        return
    taps = min(15, round(reach) | 1)
    x0, y0, x1, y1 = rect
    region = image[y0:y1, x0:x1]
    if abs(shift_px[0]) > 3 * abs(shift_px[1]):
        smeared = cv2.blur(region, (taps, 1))
    elif abs(shift_px[1]) > 3 * abs(shift_px[0]):
        smeared = cv2.blur(region, (1, taps))
    else:
        kernel = np.zeros((taps, taps), np.float32)
        end = (
            round((taps - 1) / 2 * (1 + shift_px[0] / reach)),
            round((taps - 1) / 2 * (1 + shift_px[1] / reach)),
        )
        start = (taps - 1 - end[0], taps - 1 - end[1])
        cv2.line(kernel, start, end, 1.0)
        smeared = cv2.filter2D(region, -1, kernel / kernel.sum())
    mask = covered_by(ids[y0:y1, x0:x1], value)
    cv2.copyTo(smeared, mask, region)
