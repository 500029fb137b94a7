"""Cuts single vehicles out of drawn frames, as a camera at a gate sees them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from .camera import Image
from .objects import SceneFrame

MIN_CROP_PX: Final = 20
"""Vehicles whose longer side is below this are left out."""
MARGIN_RATIO: Final = 0.1
"""Of the longer side, that is seen around a vehicle."""


class VehicleCrop(NamedTuple):
    """A vehicle that fills its picture.

    Attributes:
        image: Blue, green, red [height, width, 3].
        class_id: Index into `TRAFFIC_CLASSES`.
    """

    image: Image
    class_id: int


def vehicle_crops(frame: SceneFrame) -> list[VehicleCrop]:
    """Cuts out every vehicle that is asked for and large enough, farthest first."""
    height, width = frame.image.shape[:2]
    crops: list[VehicleCrop] = []
    for found in frame.objects:
        x0, y0, x1, y1 = found.box_px
        longest = max(x1 - x0, y1 - y0)
        if found.is_ignored or longest < MIN_CROP_PX:
            continue
        margin = MARGIN_RATIO * longest
        rows = slice(max(0, round(y0 - margin)), min(height, round(y1 + margin)))
        columns = slice(max(0, round(x0 - margin)), min(width, round(x1 + margin)))
        crops.append(VehicleCrop(np.ascontiguousarray(frame.image[rows, columns]), found.class_id))
    return crops
