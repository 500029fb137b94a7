"""Draws traffic seen by a street camera, the same for the same seed, any frame at any time."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from .backdrop import draw_backdrop
from .camera import Camera, Image
from .crossing import draw_crossing
from .light import Colour, draw_light, noise_tile
from .mesh import Mesh
from .objects import OPAQUE, Drawn, SceneFrame, object_of
from .painting import (
    Outline,
    Rect,
    blur_motion,
    cast_shadow,
    covered_by,
    hidden_before,
    light_lamps,
    mark,
    outline,
    paint,
    shades,
)
from .roads import ANY_TRAFFIC, Passage, Road, Traffic, draw_roads
from .splits import Split, draw_between, generator
from .vehicles import BUILDERS

_MARGIN_RATIO: Final = 0.01
_LOOKS_OF_A_CLASS: Final = 8
_EXPOSURE_S: Final = 1 / 100
_MAX_IDS: Final = 250
_HIDDEN: Final = 255


class Scene:
    """A street, its traffic, weather and camera.

    Frames are drawn on demand and in any order. A scene is cheap to draw from and costs some
    hundred milliseconds to make; it is not safe to use from several threads at once.
    """

    def __init__(
        self,
        seed: int,
        split: Split = "test",
        width_px: int = 1280,
        height_px: int = 720,
        fps: float = 10.0,
        traffic: Traffic = ANY_TRAFFIC,
    ) -> None:
        """Draws the still part of the scene.

        Args:
            seed: Which scene of the split.
            split: train, val or test; scenes of different splits have nothing in common.
            width_px: Width of the frames.
            height_px: Height of the frames.
            fps: Frames per second of the scene's time.
            traffic: What is not left to chance.

        Raises:
            ValueError: If a size or rate is not positive, or the seed or split is unknown.
        """
        if width_px < 32 or height_px < 32:  # noqa: PLR2004
            raise ValueError(f"frame is {width_px} x {height_px} px: each side must be 32 at least")
        if not (fps > 0 and math.isfinite(fps)):
            raise ValueError(f"fps is {fps}: it must be positive and finite")
        rng = generator(split, seed)
        self.seed, self.split, self.fps = seed, split, fps
        self.width_px, self.height_px = width_px, height_px
        self._light = draw_light(rng, split, traffic.light)
        self.layout, self._roads = _draw_layout(rng, split, traffic)
        height = draw_between(rng, 5.0, 12.0, split)
        look_at = {"along": 30.0, "dual": 28.0, "oblique": 32.0, "across": 32.0}.get(
            self.layout, 30.0
        )
        look_at = max(look_at * draw_between(rng, 0.85, 1.25, split), 1.9 * height)
        focal = draw_between(rng, 0.70, 1.05, split) * width_px
        self._camera = Camera(
            height_m=height,
            pitch_rad=math.atan2(height - 1.0, look_at),
            focal_px=focal,
            width_px=width_px,
            height_px=height_px,
        )
        self._margin_px = max(4, math.ceil(_MARGIN_RATIO * width_px))
        self._shake_px = draw_between(rng, 0, 0.0022, split) * width_px
        self._meshes = [[build(rng, split) for _ in range(_LOOKS_OF_A_CLASS)] for build in BUILDERS]
        self._shades: dict[tuple[int, int, float], list[Colour]] = {}
        self._backdrop = draw_backdrop(
            rng, split, self._camera, self._light, self._roads, self._margin_px
        )
        self._noise = noise_tile(
            height_px + 64, width_px + 64, max(1, round(10 * self._light.noise_sigma))
        )

    def frame(self, index: int) -> SceneFrame:
        """Draws one frame, the same whenever it is asked for.

        Raises:
            ValueError: If `index` is negative.
        """
        if index < 0:
            raise ValueError(f"index is {index}: it must not be negative")
        time_s = index / self.fps
        rng = generator(self.split, self.seed, 1, index)
        margin = self._margin_px
        shake = np.clip(rng.normal(0, self._shake_px, 2), -margin, margin)
        shake_px = (round(shake[0]), round(shake[1]))
        rows = slice(margin - shake_px[1], margin - shake_px[1] + self.height_px)
        columns = slice(margin - shake_px[0], margin - shake_px[0] + self.width_px)
        still = self._backdrop.image[rows, columns]
        depth = self._backdrop.depth_m[rows, columns]
        image, ids = still.copy(), np.zeros((self.height_px, self.width_px), np.uint8)
        drawn = self._in_sight(time_s, shake_px)
        for vehicle in drawn:
            if vehicle.passage.opacity_ratio > OPAQUE:
                cast_shadow(
                    image, vehicle.mesh, vehicle.passage.pose, self._camera, self._light, shake_px
                )
        whole = [
            self._draw_vehicle(vehicle, value, image, ids, still, depth)
            for value, vehicle in enumerate(drawn, start=1)
        ]
        objects = tuple(
            found
            for value, (vehicle, (area, box)) in enumerate(zip(drawn, whole, strict=True), start=1)
            if (found := object_of(vehicle, value, area, box, ids)) is not None
        )
        top, left = (int(v) for v in rng.integers(0, 64, 2))
        noise = self._noise[top : top + self.height_px, left : left + self.width_px]
        cv2.add(image, noise, dst=image)
        finished = cv2.LUT(image, self._light.tone(time_s))
        return SceneFrame(np.asarray(finished, np.uint8), objects)

    def _in_sight(self, time_s: float, shake_px: tuple[int, int]) -> list[Drawn]:
        """Returns the vehicles that touch the frame, farthest first."""
        drawn: list[Drawn] = []
        for road in self._roads:
            for passage in road.passages(time_s, _LOOKS_OF_A_CLASS):
                if passage.opacity_ratio <= 0.05:  # noqa: PLR2004
                    continue
                mesh = self._meshes[passage.class_id][passage.look]
                if not self._camera.may_see(passage.pose.x_m, passage.pose.y_m, mesh.radius_m):
                    continue
                seen = outline(mesh, passage.pose, self._camera, shake_px)
                if seen is None:
                    continue
                rect = seen.rect(self.width_px, self.height_px)
                if rect[2] - rect[0] > 4 and rect[3] - rect[1] > 4:  # noqa: PLR2004
                    drawn.append(Drawn(passage, mesh, seen, rect))
        drawn.sort(key=lambda vehicle: -vehicle.seen.depth_m)
        return drawn[-_MAX_IDS:]

    def _colours(self, passage: Passage, mesh: Mesh) -> list[Colour]:
        key = (passage.class_id, passage.look, round(passage.pose.heading_rad, 4))
        if key not in self._shades:
            self._shades[key] = shades(mesh, passage.pose.heading_rad, self._light)
        return self._shades[key]

    def _draw_vehicle(
        self,
        vehicle: Drawn,
        value: int,
        image: Image,
        ids: Image,
        still: Image,
        depth: npt.NDArray[np.float32],
    ) -> tuple[int, Rect]:
        """Paints a vehicle; returns the pixels and the rectangle it covers, seen or not."""
        x0, y0, x1, y1 = vehicle.rect
        passage, seen = vehicle.passage, vehicle.seen
        region = image[y0:y1, x0:x1]
        before = region.copy() if passage.opacity_ratio < 1 else None
        paint(image, seen, self._colours(passage, vehicle.mesh))
        if before is not None:
            cv2.addWeighted(
                region, passage.opacity_ratio, before, 1 - passage.opacity_ratio, 0, dst=region
            )
        mark(ids, seen, vehicle.mesh, value)
        own = covered_by(ids[y0:y1, x0:x1], value)
        area = cv2.countNonZero(own)
        left, top, width, height = cv2.boundingRect(own)
        if seen.px_per_m * math.hypot(*passage.velocity_mps) * _EXPOSURE_S > 1.5:  # noqa: PLR2004
            blur_motion(image, ids, vehicle.rect, value, self._smear(passage, seen))
        if self._light.has_lamps:
            light_lamps(image, seen, vehicle.mesh)
        hidden = hidden_before(depth[y0:y1, x0:x1], seen.depth_m)
        if cv2.countNonZero(hidden):
            cv2.copyTo(still[y0:y1, x0:x1], hidden, region)
            ids[y0:y1, x0:x1][hidden > 0] = _HIDDEN
        return area, (x0 + left, y0 + top, x0 + left + width, y0 + top + height)

    def _smear(self, passage: Passage, seen: Outline) -> tuple[float, float]:
        """Returns how far (px) the image of a vehicle moves during the exposure."""
        pose = passage.pose
        vx, vy = passage.velocity_mps
        points = np.array(
            [
                [pose.x_m, pose.y_m, 0.7],
                [pose.x_m + vx * _EXPOSURE_S, pose.y_m + vy * _EXPOSURE_S, 0.7],
            ]
        )
        if seen.depth_m < 2.0:  # noqa: PLR2004
            return 0.0, 0.0
        moved = np.diff(self._camera.project(points), axis=0)[0]
        return float(moved[0]), float(moved[1])


def _draw_layout(
    rng: np.random.Generator, split: Split, traffic: Traffic
) -> tuple[str, tuple[Road, ...]]:
    """Names the layout of the roads, and draws them."""
    if traffic.layout != "crossing":
        return draw_roads(rng, split, traffic)
    load_ratio = 1.0 if traffic.load_ratio is None else traffic.load_ratio
    return traffic.layout, draw_crossing(rng, split, traffic.num_lanes or 2, load_ratio)
