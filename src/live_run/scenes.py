"""Drawn scenes that remember what was to be seen in each frame that was captured."""

from __future__ import annotations

from typing import Protocol

from ..client.sources import FrameSource, SceneSource
from ..vision.accuracy import FrameTruth, truth_of
from ..vision.preprocessing import Image


class SceneWithTruth(FrameSource, Protocol):
    """A source that can tell what there was to see."""

    def truth_at(self, index: int) -> FrameTruth:
        """What there was to see in the frame of that number."""
        ...


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


class LoopedScene:
    """The first frames of a drawn scene, drawn in advance, round and round.

    Reading costs nothing, so that one core can play many cameras; they may share one loop.
    """

    is_live = False

    def __init__(self, seed: int, fps: float, num_frames: int) -> None:
        """Draws the frames, which takes about 15 ms and 2.8 MB each.

        Raises:
            ValueError: if a number is out of range.
        """
        if num_frames < 1:
            raise ValueError(f"num_frames={num_frames}: must be at least 1")
        scene = RememberedScene(seed, fps)
        self._images = [scene.read(index) for index in range(num_frames)]
        self._truths = [scene.truth_at(index) for index in range(num_frames)]

    def read(self, index: int) -> Image | None:
        """Returns the picture whose turn it is."""
        return self._images[index % len(self._images)]

    def truth_at(self, index: int) -> FrameTruth:
        """What there is to see in it."""
        return self._truths[index % len(self._truths)]

    def close(self) -> None:
        """Does nothing."""
