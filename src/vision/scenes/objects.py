"""The vehicles of a frame, and what is to be found of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from .camera import Image
from .mesh import Mesh
from .painting import Outline, Rect, covered_by
from .roads import Passage

MIN_OBJECT_PX: Final = 10.0
"""An object whose longer side is below this, in a frame 1280 wide, is not asked for."""
MIN_VISIBILITY_RATIO: Final = 0.3
"""An object of which less is seen is not asked for."""
OPAQUE: Final = 0.6
"""A vehicle that has faded in less is not asked for, and casts no shadow."""
_EDGE_PX: Final = 2


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One vehicle in a frame.

    Attributes:
        class_id: Index into `TRAFFIC_CLASSES`.
        box_px: x0, y0, x1, y1 of what is seen of it.
        visibility_ratio: Seen share of it, were nothing before it and the frame without end (estimated
            by boxes where the frame cuts it).
        is_ignored: Whether it is too small or too hidden to be asked for.
    """

    class_id: int
    box_px: tuple[float, float, float, float]
    visibility_ratio: float
    is_ignored: bool


@dataclass(frozen=True, slots=True)
class SceneFrame:
    """A drawn frame and the truth about it.

    Attributes:
        image: Blue, green, red [height, width, 3].
        objects: The vehicles in sight, farthest first.
    """

    image: Image
    objects: tuple[SceneObject, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A vehicle of the frame that is being drawn."""

    passage: Passage
    mesh: Mesh
    seen: Outline
    rect: Rect


def object_of(vehicle: Drawn, value: int, area: int, whole: Rect, ids: Image) -> SceneObject | None:
    """Returns what is to be found of a vehicle, or None if nothing of it is seen."""
    x0, y0, x1, y1 = vehicle.rect
    own = covered_by(ids[y0:y1, x0:x1], value)
    visible = cv2.countNonZero(own)
    if visible == 0 or area == 0:
        return None
    left, top, width, height = cv2.boundingRect(own)
    seen_rect = (x0 + left, y0 + top, x0 + left + width, y0 + top + height)
    low, high = vehicle.seen.low + 0.5, vehicle.seen.high + 0.5
    exact = (low[0], low[1], high[0], high[1])
    height_px, width_px = ids.shape
    frame = (width_px, height_px, width_px, height_px)

    # Where the outline ends freely its corners say so to a fraction of a pixel; where
    # something hides it, or the frame ends, the id map says so to a pixel.
    def is_free(corner: float, rough: int, free: int) -> bool:
        return rough == free and abs(corner - rough) < _EDGE_PX

    box = [
        float(corner if is_free(corner, rough, free) and 0 <= corner <= limit else rough)
        for corner, rough, free, limit in zip(exact, seen_rect, whole, frame, strict=True)
    ]
    full = float(np.prod(vehicle.seen.high - vehicle.seen.low))
    inside = float((whole[2] - whole[0]) * (whole[3] - whole[1]))
    ratio = visible / area * min(1.0, inside / max(full, 1.0))
    longest = max(box[2] - box[0], box[3] - box[1]) * 1280 / width_px
    is_ignored = (
        longest < MIN_OBJECT_PX
        or ratio < MIN_VISIBILITY_RATIO
        or vehicle.passage.opacity_ratio < OPAQUE
    )
    return SceneObject(
        vehicle.passage.class_id, (box[0], box[1], box[2], box[3]), ratio, is_ignored
    )
