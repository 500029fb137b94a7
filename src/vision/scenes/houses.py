"""Houses with windows."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .camera import Image
from .light import Colour
from .standing import NEAR_M, SHIFT, StandingPainter


def draw_house(
    rng: np.random.Generator,
    painter: StandingPainter,
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
        if painter.camera.to_view(quad)[:, 2].min() < NEAR_M / 2:
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
        cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA, SHIFT)
        share = (mask[..., None] / np.float32(255)).astype(np.float32)
        region = painter.image[y0:y1, x0:x1]
        region[:] = (region * (1 - share) + warped * share).astype(np.uint8)
        painter.depth_m[y0:y1, x0:x1][mask > 127] = distance  # noqa: PLR2004


def _facade(
    rng: np.random.Generator, painter: StandingPainter, storeys: int, bays: int, wall: Colour
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
