"""Drawn scenes that remember what was to be seen in each frame that was captured."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Protocol

from ..client.sources import ArraySource, FrameSource, SceneSource
from ..core.zoo import Fit
from ..vision.accuracy import FrameTruth, truth_of
from ..vision.fits import Image
from ..vision.preprocessing import encode_frame
from ..vision.scenes import Scene
from .cameras import LiveCamera

LOOP_FRAMES = 45  # 125 MB; several seconds of street, so that cameras differ in what they encode


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


class LoopedScene(ArraySource):
    """The first frames of a drawn scene, drawn in advance, round and round.

    Reading costs nothing, and encoding only once, so that one core can play many cameras; they may
    share one loop.

    Attributes:
        images: the pictures of one round.
    """

    def __init__(self, seed: int, fps: float, num_frames: int) -> None:
        """Draws the frames, which takes about 15 ms and 2.8 MB each; ValueError if a number is out of range."""
        if num_frames < 1:
            raise ValueError(f"num_frames={num_frames}: must be at least 1")
        scene = Scene(seed, "test", fps=fps)
        frames = [scene.frame(index) for index in range(num_frames)]
        self.images: tuple[Image, ...] = tuple(frame.image for frame in frames)
        super().__init__(self.images)
        self._truths = [truth_of(frame) for frame in frames]
        self._number_of = {id(image): number for number, image in enumerate(self.images)}
        self._encoded: dict[tuple[int, int, int, Fit], bytes] = {}

    @property
    def num_frames(self) -> int:
        """How many pictures one round has."""
        return len(self.images)

    def truth_at(self, index: int) -> FrameTruth:
        """What there is to see in it."""
        return self._truths[index % self.num_frames]

    def encode(self, image: Image, side_px: int, quality: int, fit: Fit) -> bytes:
        """Encodes a picture of the loop, or remembers how that went the last time.

        Raises:
            KeyError: if the picture is not of this loop.
        """
        key = (self._number_of[id(image)], side_px, quality, fit)
        if key not in self._encoded:
            self._encoded[key] = encode_frame(image, side_px, quality, fit)
        return self._encoded[key]

    def encode_ahead(self, sides_px: Iterable[int], quality: int, fit: Fit) -> None:
        """Encodes all pictures at some sides, which takes about 5 ms and 30 kB for each of both."""
        for side_px in sides_px:
            for image in self.images:
                self.encode(image, side_px, quality, fit)


def looped_scene(seconds: float, camera: LiveCamera) -> LoopedScene:
    """What a camera of an experiment sees in a run of that length; cameras that are alike share it."""
    num_frames = max(1, min(LOOP_FRAMES, round(seconds * camera.fps)))
    return _loop(camera.scene_seed, camera.fps, num_frames)


@functools.lru_cache(maxsize=2)  # mostly the next run looks at the same street
def _loop(seed: int, fps: float, num_frames: int) -> LoopedScene:
    return LoopedScene(seed, fps, num_frames)
