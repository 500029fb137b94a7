"""Golden detections of a video: what a zoo's best variant finds in each of its pictures, as a file of annotations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..client.sources import NoPicture, VideoSource, open_source
from ..client.video_truth import digest_of
from ..core.answers import Detections
from ..core.errors import UsageError
from ..core.zoo import Task
from ..devices.remembered import Asked, RememberedDetections
from ..vision.accuracy import FrameTruth
from ..vision.coco_file import CocoFile, CocoImage
from ..vision.f1 import MIN_SCORE
from ..vision.fits import Size
from ..zoos import OpenedZoo

_ANY_FPS = 25.0  # each picture is taken once, whenever it is shown


def golden_of_video(
    video: Path, zoo: OpenedZoo, name: str, on_found: Callable[[int, int], object]
) -> CocoFile:
    """Has a variant look at every picture of a video; where it was interrupted, what was found before is known.

    `on_found` is told in how many pictures, and how many there are; 0 where the video does not say.

    Raises:
        UsageError: if it is no video, the zoo does not detect, or it has no such variant.
        RunError: if the network cannot be loaded.
    """
    if zoo.zoo.task is not Task.DETECTION:
        raise UsageError(f"zoo {zoo.name}: must be one that detects")
    variant = zoo.network_variant(name or zoo.zoo.golden_variant.name).name
    if not video.is_file():
        raise UsageError(f"{video}: must be a video file")
    sizes: list[Size] = []
    found: list[Detections] = []

    def asked(source: VideoSource) -> Iterator[Asked]:
        try:
            for picture in source.pictures():
                sizes.append((picture.shape[1], picture.shape[0]))
                yield Asked(variant, picture)
        except NoPicture as error:
            raise UsageError(f"{video}: picture {len(sizes)} cannot be shown: {error}") from None

    with contextlib.closing(open_source(video, _ANY_FPS)) as source:
        if not isinstance(source, VideoSource):
            raise UsageError(f"{video}: must be a video file")
        for one in RememberedDetections(zoo).find(asked(source)):
            found.append(one)
            on_found(len(found), source.num_told)
    return CocoFile(
        tuple(
            _image(number, one, size)
            for number, (one, size) in enumerate(zip(found, sizes, strict=True))
        ),
        zoo.zoo.class_names,
        {
            "description": f"golden detections by {variant} of zoo {zoo.name}; not labelled by people",
            "video": video.name,
            "sha256": digest_of(video),
        },
    )


def _image(number: int, found: Detections, size: Size) -> CocoImage:
    sure = found.scores >= np.float32(MIN_SCORE)
    truth = sure_truth(found, size)
    return CocoImage(number + 1, f"{number:06d}.jpg", truth, found.scores[sure])


def sure_truth(found: Detections, size: Size) -> FrameTruth:
    """What of golden detections is sure, as if that were the truth of a picture of that size."""
    sure = found.scores >= np.float32(MIN_SCORE)
    return FrameTruth(
        found.boxes[sure], found.class_ids[sure], np.zeros(int(sure.sum()), np.bool_), size
    )
