"""The frames that a measurement runs: drawn traffic, encoded as a client encodes it."""

from __future__ import annotations

from collections.abc import Iterable

from ..vision.preprocessing import encode_frame
from ..vision.scenes import Scene

NUM_SCENES = 3
FRAMES_PER_SCENE = 3
FRAME_STRIDE = 40  # frames between two of a scene: apart enough to differ


def draw_frames(sides_px: Iterable[int]) -> dict[int, list[bytes]]:
    """Draws the frames: the same pictures at each side, encoded as JPEG."""
    images = [
        scene.frame(FRAME_STRIDE * (k + 1)).image
        for scene in (Scene(seed, "val") for seed in range(NUM_SCENES))
        for k in range(FRAMES_PER_SCENE)
    ]
    return {side: [encode_frame(image, side) for image in images] for side in sides_px}
