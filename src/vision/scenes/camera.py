"""A pinhole camera above the ground plane.

World axes in metres: x to the right, y ahead, z up; the camera stands at (0, 0, height).
Image axes in pixels, the centre of the top left pixel at (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera stands and how it looks down.

    Attributes:
        height_m: Height above the ground.
        pitch_rad: Angle of the optical axis below the horizon.
        focal_px: Focal length.
        width_px: Width of the image.
        height_px: Height of the image.
    """

    height_m: float
    pitch_rad: float
    focal_px: float
    width_px: int
    height_px: int

    def to_view(self, points: Floats) -> Floats:
        """Turns world points [n, 3] into view coordinates [n, 3]: right, up, depth (m)."""
        sine, cosine = math.sin(self.pitch_rad), math.cos(self.pitch_rad)
        ahead, rise = points[:, 1], points[:, 2] - self.height_m
        view = np.empty_like(points)
        view[:, 0] = points[:, 0]
        view[:, 1] = ahead * sine + rise * cosine
        view[:, 2] = ahead * cosine - rise * sine
        return view

    def to_image(self, view: Floats) -> Floats:
        """Turns view coordinates [n, 3] of positive depth into pixels [n, 2]."""
        scale = self.focal_px / view[:, 2]
        image = np.empty((len(view), 2))
        image[:, 0] = (self.width_px - 1) / 2 + view[:, 0] * scale
        image[:, 1] = (self.height_px - 1) / 2 - view[:, 1] * scale
        return image

    def may_see(self, x_m: float, y_m: float, radius_m: float) -> bool:
        """Says whether something within a radius of a ground point can touch the frame.

        Looks at left, right and behind only, with some room for a shaken camera.
        """
        sine, cosine = math.sin(self.pitch_rad), math.cos(self.pitch_rad)
        depth = y_m * cosine + self.height_m * sine
        slope = 0.52 * self.width_px / self.focal_px
        return depth + radius_m > 0 and abs(x_m) < slope * depth + radius_m * math.hypot(1, slope)

    def project(self, points: Floats) -> Floats:
        """Turns world points [n, 3] in front of the camera into pixels [n, 2]."""
        return self.to_image(self.to_view(points))

    def horizon_px(self) -> float:
        """Returns the image row of the horizon."""
        return (self.height_px - 1) / 2 - self.focal_px * math.tan(self.pitch_rad)

    def ground(self, margin_px: int) -> tuple[Floats, Floats, Floats]:
        """Returns for each pixel, `margin_px` more on each side, the ground point it shows.

        Returns:
            x and y (m) and the pixel's footprint on the ground (m across), each
            [height + 2 margin, width + 2 margin]; y is infinite above the horizon.
        """
        columns = np.arange(-margin_px, self.width_px + margin_px) - (self.width_px - 1) / 2
        rows = np.arange(-margin_px, self.height_px + margin_px) - (self.height_px - 1) / 2
        sine, cosine = math.sin(self.pitch_rad), math.cos(self.pitch_rad)
        fall = sine + cosine * rows / self.focal_px
        reach = cosine - sine * rows / self.focal_px
        with np.errstate(divide="ignore"):
            scale = np.where(fall > 1e-6, self.height_m / np.maximum(fall, 1e-6), np.inf)  # noqa: PLR2004
        ahead = np.broadcast_to((scale * reach)[:, None], (len(rows), len(columns)))
        finite = np.minimum(scale, 1e6)
        across = finite[:, None] * columns[None, :] / self.focal_px
        footprint = np.broadcast_to((finite / self.focal_px)[:, None], ahead.shape)
        return across, ahead, footprint
