"""F1 by overlap alone, as Jellyfish (RTSS 2022) computes the accuracy it reports."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import numpy.typing as npt

from .accuracy import REFERENCE_SIZE_PX
from .classes import TRAFFIC_CLASSES
from .detections import Detections
from .f1 import F1Counts

MIN_SCORE: Final = 0.20
MIN_IOU: Final = 0.5
VEHICLES: Final = frozenset({"car", "bus", "truck", "motorcycle"})


def overlap_counts(
    golden: Detections,
    answer: Detections | None,
    class_names: Collection[str] = TRAFFIC_CLASSES,
    size_px: tuple[int, int] = REFERENCE_SIZE_PX,
) -> F1Counts:
    """Compares the answer for one frame with the golden detections of that frame.

    Vehicles with a score of at least `MIN_SCORE` are compared, on both sides. Two boxes match if their
    IoU is at least `MIN_IOU`; pixels are inclusive, so that a box from 0 to 9 is 10 wide. Neither is
    the class compared, nor is a box used up by a match: a true positive is a box of the answer that
    matches any golden one, a false negative a golden box that no box of the answer matches.

    Args:
        golden: What the reference detector found.
        answer: What is to be scored; None, for a frame without answer, counts as empty.
        class_names: By class id.
        size_px: Width and height of the picture, in whose pixels boxes are measured.
    """
    names = tuple(class_names)
    wanted = _boxes_px(golden, names, size_px)
    given = _boxes_px(answer or Detections.empty(), names, size_px)
    matches = inclusive_ious(given, wanted) >= MIN_IOU
    is_right = matches.any(axis=1)
    return F1Counts(
        true_positives=int(is_right.sum()),
        false_positives=int((~is_right).sum()),
        false_negatives=int((~matches.any(axis=0)).sum()),
    )


def is_detected(answer: Detections | None) -> bool:
    """Tells whether the answer has a box of any class that is sure enough to be compared.

    The second published score, which the paper's figures show, is taken over such frames alone, so
    that dropped, late and empty frames do not lower it.
    """
    return answer is not None and bool((answer.scores >= MIN_SCORE).any())


def inclusive_ious(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Returns the IoU [n, m] of boxes [n, 4] and [m, 4] (x0, y0, x1, y1 in px) whose last pixels belong to them."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    is_apart = (high < low).any(axis=-1)
    common = np.where(is_apart, 0.0, (high - low + 1).prod(axis=-1))
    union = _areas(a)[:, None] + _areas(b)[None, :] - common
    return np.asarray(common / union)


def _areas(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=-1))


def _boxes_px(
    found: Detections, class_names: tuple[str, ...], size_px: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Returns the boxes that are compared, in whole pixels."""
    vehicle_ids = [number for number, name in enumerate(class_names) if name in VEHICLES]
    is_kept = (found.scores >= np.float32(MIN_SCORE)) & np.isin(found.class_ids, vehicle_ids)
    return np.asarray(np.rint(found.boxes[is_kept].astype(np.float64) * np.tile(size_px, 2)))
