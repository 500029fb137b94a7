"""Scores answers against the truth: detections by COCO's mean average precision, labels by how often the best is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from faster_coco_eval import COCO, COCOeval_faster

from ..core.answers import Detections, Labels
from .classes import TRAFFIC_CLASSES
from .scenes import SceneFrame

REFERENCE_SIZE_PX: Final = (1280, 720)
"""Width and height in which boxes are small (below 32 px squared), medium or large (from 96)."""


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """What there is to find in one frame.

    Attributes:
        boxes: x0, y0, x1, y1 of each object, float32 [n, 4], relative to the frame: 0 to 1.
        class_ids: Index into the class names, int32 [n].
        is_ignored: Objects that count neither when found nor when missed, bool [n].
        size_px: Width and height in which objects are small, medium or large.
        areas_px: Of each object in that size, float64 [n]; None for those of the boxes.
    """

    boxes: npt.NDArray[np.float32]
    class_ids: npt.NDArray[np.int32]
    is_ignored: npt.NDArray[np.bool_]
    size_px: tuple[int, int] = REFERENCE_SIZE_PX
    areas_px: npt.NDArray[np.float64] | None = None


def truth_of(frame: SceneFrame) -> FrameTruth:
    """Returns what there is to find in a drawn frame."""
    height, width = frame.image.shape[:2]
    scale = np.array([width, height, width, height], np.float32)
    boxes = np.array([found.box_px for found in frame.objects], np.float32).reshape(-1, 4) / scale
    return FrameTruth(
        boxes.astype(np.float32),
        np.array([found.class_id for found in frame.objects], np.int32),
        np.array([found.is_ignored for found in frame.objects], np.bool_),
    )


def in_classes(
    truth: FrameTruth, class_names: Sequence[str], own: Sequence[str] = TRAFFIC_CLASSES
) -> FrameTruth:
    """Returns what there is to find by the class ids of a zoo, less what it has no class for; `own` names the truth's classes."""
    ids = [class_names.index(one) if one in class_names else -1 for one in own]
    class_ids = np.array(ids, np.int32)[truth.class_ids]
    kept = class_ids >= 0
    return replace(
        truth,
        boxes=truth.boxes[kept],
        class_ids=class_ids[kept],
        is_ignored=truth.is_ignored[kept],
        areas_px=None if truth.areas_px is None else truth.areas_px[kept],
    )


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well detections fit the truth.

    Attributes:
        map: Mean average precision over the classes and the IoU thresholds .5, .55 ... .95.
        map50: The same at IoU threshold .5.
        map_small: `map` for objects below 32 x 32 px of the reference size; None without any.
        map_medium: `map` for objects up to 96 x 96 px; None without any.
        map_large: `map` for larger objects; None without any.
        num_frames: Frames scored.
        num_objects: Objects asked for.
    """

    map: float
    map50: float
    map_small: float | None
    map_medium: float | None
    map_large: float | None
    num_frames: int
    num_objects: int


@dataclass(frozen=True, slots=True)
class LabelAccuracy:
    """How well labels fit the truth.

    Attributes:
        top1: Share of the answered frames whose best label is right, the class of something that is asked for.
        num_frames: Answered frames.
    """

    top1: float
    num_frames: int


def evaluate_labels(
    truth: Sequence[FrameTruth], labels: Sequence[Labels | None]
) -> LabelAccuracy | None:
    """Scores labels, in the order of `truth`; frames without an answer, or without a label in it, count neither way.

    Returns:
        None if no frame was answered.

    Raises:
        ValueError: If the two differ in length.
    """
    right = [
        bool((frame.class_ids[~frame.is_ignored] == answer.class_ids[0]).any())
        for frame, answer in zip(truth, labels, strict=True)
        if answer is not None and len(answer)
    ]
    return LabelAccuracy(sum(right) / len(right), len(right)) if right else None


def evaluate_detections(
    truth: Sequence[FrameTruth],
    detections: Sequence[Detections | None],
    class_names: Sequence[str],
) -> Accuracy:
    """Scores the answers for a series of frames.

    Args:
        truth: What there is to find in each frame.
        detections: The answer for each frame; None, for a frame without answer, counts as empty.
        class_names: Names by class id; classes that the truth lacks count for nothing.

    Raises:
        ValueError: If the series differ in length or the truth asks for no object at all.
    """
    if len(truth) != len(detections):
        raise ValueError(
            f"detections holds {len(detections)} frames: the truth has {len(truth)} of them"
        )
    num_objects = sum(int((~frame.is_ignored).sum()) for frame in truth)
    if num_objects == 0:
        raise ValueError(f"truth holds no object in {len(truth)} frames: it must hold one at least")
    known = COCO(to_dataset(truth, class_names))
    found = known.loadRes(_results(truth, detections))
    scorer = COCOeval_faster(known, found, "bbox")
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    stats = [float(value) for value in scorer.stats[:6]]

    def share(value: float) -> float | None:
        return value if math.isfinite(value) and value >= 0 else None

    return Accuracy(
        map=max(0.0, stats[0]),
        map50=max(0.0, stats[1]),
        map_small=share(stats[3]),
        map_medium=share(stats[4]),
        map_large=share(stats[5]),
        num_frames=len(truth),
        num_objects=num_objects,
    )


def _to_coco(box: Sequence[float], size_px: tuple[int, int]) -> list[float]:
    """Turns relative corners into x, y, width, height in pixels."""
    width, height = size_px
    x0, y0, x1, y1 = box
    return [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height]


def to_dataset(truth: Sequence[FrameTruth], class_names: Sequence[str]) -> dict[str, Any]:
    """Returns the truth as COCO has it; what is ignored is a crowd."""
    annotations: list[dict[str, Any]] = []
    for image_id, frame in enumerate(truth, start=1):
        rows = zip(
            frame.boxes.tolist(), frame.class_ids.tolist(), frame.is_ignored.tolist(), strict=True
        )
        for number, (corners, class_id, is_ignored) in enumerate(rows):
            box = _to_coco(corners, frame.size_px)
            area = box[2] * box[3]
            if frame.areas_px is not None:
                area = float(frame.areas_px[number])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id + 1,
                    "bbox": box,
                    "area": area,
                    "iscrowd": int(is_ignored),
                }
            )
    images = [
        {"id": k, "width": frame.size_px[0], "height": frame.size_px[1]}
        for k, frame in enumerate(truth, start=1)
    ]
    return {
        "info": {},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(class_names)],
    }


def _results(
    truth: Sequence[FrameTruth], detections: Sequence[Detections | None]
) -> list[dict[str, Any]]:
    """Returns the answers as COCO has them."""
    return [
        {
            "image_id": image_id,
            "category_id": class_id + 1,
            "bbox": _to_coco(corners, frame.size_px),
            "score": score,
        }
        for image_id, (frame, answer) in enumerate(zip(truth, detections, strict=True), start=1)
        if answer is not None
        for corners, score, class_id in zip(
            answer.boxes.tolist(), answer.scores.tolist(), answer.class_ids.tolist(), strict=True
        )
    ]
