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
from ..live_run.scenes import LoopedScene
from ..reporting.accuracy import FrameKey
from ..reporting.run_logs import RunLogs
from ..reporting.scores import Scores, score_answers
from ..vision.accuracy import in_classes
from ..vision.f1 import F1Counts, is_detected, overlap_counts
from ..zoos import OpenedZoo
from .running_all import OnProgress

if TYPE_CHECKING:
    from ..devices.remembered import Asked


class Look(NamedTuple):
    """A frame of a scene as somebody looks at it.

    Attributes:
        frame: its number.
        side_px: that it was sent at; 0 for the picture itself, as golden detections are of.
        quality: of its JPEG.
        variant: that looks at it.
    """

    frame: int
    side_px: int
    quality: int
    variant: str


class Onlooker:
    """Has the networks of a zoo look at frames of scenes, and remembers what they found as long as a scene is kept."""

    def __init__(self, zoo: OpenedZoo) -> None:
        """Loads no network yet."""
        from ..devices.remembered import RememberedDetections  # noqa: PLC0415 - loads what runs them

        self._detections = RememberedDetections(zoo)
        self._known: WeakKeyDictionary[LoopedScene, dict[Look, Detections]] = WeakKeyDictionary()

    def find(
        self,
        looks: Mapping[FrameKey, Look],
        scenes: Mapping[str, LoopedScene],
        fit: Fit,
        on_progress: OnProgress,
    ) -> dict[FrameKey, Detections]:
        """Says what is in frames of streams, encoded for a zoo of that fit as their clients did.

        Raises:
            RunError: if a network cannot be loaded, or the cache cannot be used.
        """
        new: dict[LoopedScene, set[Look]] = {}
        for (stream_id, _), look in looks.items():
            scene = scenes[stream_id]
            if look not in self._known.setdefault(scene, {}):
                new.setdefault(scene, set()).add(look)
        done = itertools.count(1)
        total = sum(map(len, new.values()))
        for scene, some in new.items():
            ordered = sorted(some)
            found = self._detections.find(_pictures(scene, ordered, fit))
            for look, one in zip(ordered, found, strict=True):
                self._known[scene][look] = one
                on_progress(0, 0, f"found what is in {next(done)} of {total} frames")
        return {key: self._known[scenes[key[0]]][look] for key, look in looks.items()}


def _pictures(scene: LoopedScene, looks: Iterable[Look], fit: Fit) -> Iterator[Asked]:
    """Reads frames in their order, each once, and encodes them."""
    from ..devices.remembered import Asked  # noqa: PLC0415

    number, image = -1, None
    for look in looks:
        if look.frame != number:
            number, image = look.frame, scene.read(look.frame)
        if image is None:
            raise IndexError(f"the scene has no frame {look.frame}")
        is_sent = look.side_px > 0
        sent = scene.encode(image, look.side_px, look.quality, fit) if is_sent else image
        yield Asked(look.variant, sent)


@functools.lru_cache(maxsize=2)
def onlooker(zoo: OpenedZoo) -> Onlooker:
    """The one of a zoo; the same for successive runs."""
    return Onlooker(zoo)


def find_answers(
    logs: RunLogs,
    scenes: Mapping[str, LoopedScene],
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
            row.sequence, row.side_px or 0, row.jpeg_quality or 0, variants[row.variant]
        )
        for rows in logs.frames.values()
        for row in rows
        if row.verdict in (Verdict.IN_TIME, Verdict.LATE)
    }
    return dict(onlooker(zoo).find(looks, scenes, served.zoo.fit, on_progress))


def answering_variant(variants: Sequence[Variant], side_px: int) -> Variant:
    """What answers for a variant of that side: the most accurate one of the nearest side, of the smaller of two as near."""
    return min(
        variants,
        key=lambda one: (abs(one.input_side_px - side_px), one.input_side_px, -one.accuracy),
    )


def f1_of_smallest(
    scene: LoopedScene,
    served: OpenedZoo,
    zoo: OpenedZoo,
    class_names: tuple[str, ...],
    on_progress: OnProgress,
) -> float | None:
    """The F1, as published, of a scene that is always sent at the served zoo's smallest side and always in time; errors as above."""
    side_px = min(one.input_side_px for one in served.variants)
    smallest = answering_variant(zoo.variants, side_px).name
    golden = zoo.zoo.golden_variant.name
    found, best = (
        onlooker(zoo).find(
            {("", frame): Look(frame, *how) for frame in range(scene.num_frames)},
            {"": scene},
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


def score_cameras(
    logs: RunLogs,
    answers: Mapping[FrameKey, Answer],
    scenes: Mapping[str, LoopedScene],
    zoo: OpenedZoo,
    class_names: tuple[str, ...],
    on_progress: OnProgress = lambda *_: None,
) -> dict[str, Scores]:
    """Scores each camera of a run against golden detections of a zoo, and under `TOTAL` all of them together; errors as above."""
    golden = zoo.zoo.golden_variant.name
    keys = [(name, row.sequence) for name, rows in logs.frames.items() for row in rows]
    looks = {key: Look(key[1], 0, 0, golden) for key in keys}
    return score_answers(
        logs.frames,
        {stream.stream_id: stream.slo_ms for stream in logs.streams},
        {key: in_classes(scenes[key[0]].truth_at(key[1]), class_names) for key in keys},
        onlooker(zoo).find(looks, scenes, zoo.zoo.fit, on_progress),
        answers,
        class_names,
    )
