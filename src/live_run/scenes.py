"""Drawn scenes that remember what was to be seen in each frame that was captured."""

from __future__ import annotations

from ..client.sources import SceneSource
from ..vision.accuracy import FrameTruth, truth_of
from ..vision.fits import Image


class RememberedScene(SceneSource):
    """A drawn scene as a camera's source.

    Attributes:
        truth: frame number to what there was to see, for every frame that was drawn.
    """

    def __init__(self, seed: int, fps: float) -> None:
        """Draws the still part of a test scene, which takes a second or two."""
        super().__init__(seed, fps)
        self.truth: dict[int, FrameTruth] = {}

    def read(self, index: int) -> Image | None:
        """Draws a frame."""
        frame = self.scene.frame(index)
        self.truth[index] = truth_of(frame)
        return frame.image

    def truth_at(self, index: int) -> FrameTruth:
        """What there was to see; drawn now, where drawing was too slow when it was captured."""
        if index not in self.truth:
            self.read(index)
        return self.truth[index]
