"""Paints what stands up from the ground, and how far away it is."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from .camera import Camera, Floats, Image
from .light import Colour, Light

SHIFT: Final = 4
NEAR_M: Final = 4.0


class StandingPainter:
    """Paints upright things, farthest first, into the image and the depth map."""

    def __init__(self, image: Image, camera: Camera, light: Light, margin_px: int) -> None:
        self.image = image
        self.depth_m = np.full(image.shape[:2], np.inf, np.float32)
        self.camera = camera
        self.light = light
        self.margin_px = margin_px

    def lit(self, colour: Colour, shade: float = 1.0) -> Colour:
        """A colour in the light of the scene."""
        blue, green, red = (
            min(255.0, c * t * shade) for c, t in zip(colour, self.light.tint, strict=True)
        )
        return (blue, green, red)

    def depth_of(self, x: float, y: float) -> float:
        """How far a point on the ground is from the camera (m)."""
        return float(self.camera.to_view(np.array([[x, y, 1.0]]))[0, 2])

    def pixels(self, points: Floats) -> Floats:
        """Where points of the world are in the image with its margin."""
        return self.camera.project(points) + self.margin_px

    def polygon(self, points: Floats, colour: Colour, depth: float) -> None:
        """Paints a polygon of points of the world."""
        corners = np.rint(np.clip(self.pixels(points), -2e4, 2e4) * 16).astype(np.int32)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA, SHIFT)
        cv2.fillPoly(self.depth_m, [corners], depth, cv2.LINE_8, SHIFT)

    def disc(self, centre: Floats, radius_px: float, colour: Colour, depth: float) -> None:
        """Paints a disc around a pixel."""
        spot = (round(centre[0] * 16), round(centre[1] * 16))
        radius = max(8, round(radius_px * 16))
        cv2.circle(self.image, spot, radius, colour, -1, cv2.LINE_AA, SHIFT)
        cv2.circle(self.depth_m, spot, radius, depth, -1, cv2.LINE_8, SHIFT)
