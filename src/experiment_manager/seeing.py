"""What answers of a run are worth: of devices that run no network, what one finds in the very frames that they were sent."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from ..adapting.frame_sizes import DEFAULT_QUALITY
from ..core.answers import Answer, Detections
from ..core.variant import Variant
from ..core.verdict import Verdict
from ..core.zoo import Fit
from ..live_run.videos import Video, VideoCamera
from ..reporting.accuracy import FrameKey
from ..reporting.run_logs import RunLogs
from ..reporting.scores import Scores, score_answers
from ..vision.accuracy import FrameTruth, in_classes
from ..vision.f1 import F1Counts, is_detected, overlap_counts
from ..zoos import OpenedZoo
from .running_all import OnProgress

if TYPE_CHECKING:
    from ..devices.remembered import Asked


class Look(NamedTuple):
    """A picture of a video as somebody looks at it.

    Attributes:
        frame: its number in the video.
        side_px: that it was sent at; 0 for the picture itself, as golden detections are of.
        quality: of its JPEG.
        variant: that looks at it.
    """

    frame: int
    side_px: int
    quality: int
    variant: str


class Onlooker:
    """Has the networks of a zoo look at pictures of videos, and remembers what they found as long as a video is open."""

    def __init__(self, zoo: OpenedZoo) -> None:
        """Loads no network yet."""
        from ..devices.remembered import RememberedDetections  # noqa: PLC0415 - loads what runs them

        self._detections = RememberedDetections(zoo)
        self._known: WeakKeyDictionary[Video, dict[Look, Detections]] = WeakKeyDictionary()

    def find(
        self,
        looks: Mapping[FrameKey, Look],
        videos: Mapping[str, Video],
        fit: Fit,
        on_progress: OnProgress,
    ) -> dict[FrameKey, Detections]:
        """Says what is in frames of streams that look at videos, encoded for a zoo of that fit as their clients did.

        Raises:
            RunError: if a network cannot be loaded, or the cache cannot be used.
        """
        new: dict[Video, set[Look]] = {}
        for (stream_id, _), look in looks.items():
            video = videos[stream_id]
            if look not in self._known.setdefault(video, {}):
                new.setdefault(video, set()).add(look)
        done = itertools.count(1)
        total = sum(map(len, new.values()))
        for video, some in new.items():
            ordered = sorted(some)
            found = self._detections.find(_pictures(video, ordered, fit))
            for look, one in zip(ordered, found, strict=True):
                self._known[video][look] = one
                on_progress(0, 0, f"found what is in {next(done)} of {total} frames")
        return {key: self._known[videos[key[0]]][look] for key, look in looks.items()}


def _pictures(video: Video, looks: Iterable[Look], fit: Fit) -> Iterator[Asked]:
    """Encodes pictures in their order as clients did."""
    from ..devices.remembered import Asked  # noqa: PLC0415

    for number, side_px, quality, variant in looks:
        is_sent = side_px > 0
        sent = video.encoded(number, side_px, quality, fit) if is_sent else video.picture(number)
        yield Asked(variant, sent)


@functools.lru_cache(maxsize=2)
def onlooker(zoo: OpenedZoo) -> Onlooker:
    """The one of a zoo; the same for successive runs."""
    return Onlooker(zoo)


def find_answers(
    logs: RunLogs,
    cameras: Mapping[str, VideoCamera],
    served: OpenedZoo,
    zoo: OpenedZoo,
    on_progress: OnProgress,
) -> dict[FrameKey, Answer]:
    """What variants of a zoo find in each answered frame, as it was sent to variants of the served one; errors as above."""
    sides_px = {one.name: one.input_side_px for one in served.variants}
    variants = {
        name: answering_variant(zoo.variants, side_px).name for name, side_px in sides_px.items()
    }
    looks = {
        (row.stream_id, row.sequence): Look(
            cameras[row.stream_id].number_at(row.sequence),
            row.side_px or 0,
            row.jpeg_quality or 0,
            variants[row.variant],
        )
        for rows in logs.frames.values()
        for row in rows
        if row.verdict in (Verdict.IN_TIME, Verdict.LATE)
    }
    return dict(onlooker(zoo).find(looks, _videos(cameras), served.zoo.fit, on_progress))


def answering_variant(variants: Sequence[Variant], side_px: int) -> Variant:
    """What answers for a variant of that side: the most accurate one of the nearest side, of the smaller of two as near."""
    return min(
        variants,
        key=lambda one: (abs(one.input_side_px - side_px), one.input_side_px, -one.accuracy),
    )


def f1_of_smallest(
    camera: VideoCamera,
    num_frames: int,
    served: OpenedZoo,
    zoo: OpenedZoo,
    class_names: tuple[str, ...],
    on_progress: OnProgress,
) -> float | None:
    """The F1, as published, of what a camera sees, always sent at the served zoo's smallest side and always in time; errors as above."""
    side_px = min(one.input_side_px for one in served.variants)
    smallest = answering_variant(zoo.variants, side_px).name
    golden = zoo.zoo.golden_variant.name
    found, best = (
        onlooker(zoo).find(
            {("", number): Look(number, *how) for number in set(camera.numbers(num_frames))},
            {"": camera.video},
            served.zoo.fit,
            on_progress,
        )
        for how in ((side_px, DEFAULT_QUALITY.quality, smallest), (0, 0, golden))
    )
    counts = F1Counts()
    for key, detections in found.items():
        if is_detected(detections):
            counts += overlap_counts(best[key], detections, class_names)
    return counts.f1


def find_golden(
    logs: RunLogs,
    cameras: Mapping[str, VideoCamera],
    zoo: OpenedZoo,
    on_progress: OnProgress = lambda *_: None,
) -> dict[FrameKey, Detections]:
    """What the golden variant of a zoo finds in each frame, as no link has harmed it; errors as above."""
    golden = zoo.zoo.golden_variant.name
    looks = {
        (name, row.sequence): Look(cameras[name].number_at(row.sequence), 0, 0, golden)
        for name, rows in logs.frames.items()
        for row in rows
    }
    return onlooker(zoo).find(looks, _videos(cameras), zoo.zoo.fit, on_progress)


def find_truth(
    golden: Mapping[FrameKey, Detections],
    cameras: Mapping[str, VideoCamera],
    class_names: tuple[str, ...],
    *,
    is_golden_taken: bool,
) -> dict[FrameKey, FrameTruth]:
    """What there was to see in each frame, by the video's truth; or what is golden, where there is none and that may be taken for it."""
    from ..zoo_tool.golden import sure_truth  # noqa: PLC0415 - loads what runs networks

    truth: dict[FrameKey, FrameTruth] = {}
    for key, found in golden.items():
        camera = cameras[key[0]]
        facts = camera.video.facts
        own = camera.truth_at(key[1])
        if own is not None:
            truth[key] = in_classes(own, class_names, facts.class_names)
        elif is_golden_taken:
            truth[key] = sure_truth(found, facts.size_px)
    return truth


def score_cameras(
    logs: RunLogs,
    answers: Mapping[FrameKey, Answer],
    truth: Mapping[FrameKey, FrameTruth],
    golden: Mapping[FrameKey, Detections],
    class_names: tuple[str, ...],
) -> dict[str, Scores]:
    """Scores each camera of a run, and under `TOTAL` all of them together."""
    slo_ms = {stream.stream_id: stream.slo_ms for stream in logs.streams}
    return score_answers(logs.frames, slo_ms, truth, golden, answers, class_names)


def _videos(cameras: Mapping[str, VideoCamera]) -> dict[str, Video]:
    return {name: camera.video for name, camera in cameras.items()}
