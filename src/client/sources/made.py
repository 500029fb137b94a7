"""Pictures in memory, and drawn ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...vision.fits import Image
from ...vision.scenes import Scene


class ArraySource:
    """Pictures in memory, round and round; they must stay as they are."""

    is_live = False
    reads_at_once = True
    pictures_stay = True

    def __init__(self, images: Sequence[Image], num_frames: int | None = None) -> None:
        """Takes the pictures.

        Args:
            images: at least one, [height, width, 3] each.
            num_frames: where the stream ends; None for never.

        Raises:
            ValueError: if there is no picture.
        """
        if not len(images):
            raise ValueError("images=[]: must hold at least one picture")
        self._images = images
        self._num_frames = math.inf if num_frames is None else num_frames

    def read(self, index: int) -> Image | None:
        """Returns the picture whose turn it is."""
        return self._images[index % len(self._images)] if index < self._num_frames else None

    def close(self) -> None:
        """Does nothing."""


class SceneSource:
    """A drawn scene, with known truth; never ends. Frame k is `Scene(seed, fps=fps).frame(k)`."""

    is_live = False
    reads_at_once = True
    pictures_stay = True

    def __init__(self, seed: int, fps: float) -> None:
        """Draws the still part of a test scene, which takes a moment.

        Raises:
            ValueError: if the seed or rate is out of range.
        """
        self.scene = Scene(seed, "test", fps=fps)

    def read(self, index: int) -> Image | None:
        """Draws a frame."""
        return self.scene.frame(index).image

    def close(self) -> None:
        """Does nothing."""
