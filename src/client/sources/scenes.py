"""Drawn scenes."""

from __future__ import annotations

from ...vision.preprocessing import Image
from ...vision.scenes import Scene


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
