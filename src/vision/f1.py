"""F1: how well answers agree with golden detections, as one number from counts that can be added up."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..core.answers import Detections
from .accuracy import REFERENCE_SIZE_PX
from .postprocessing import box_ious

MIN_SCORE: Final = 0.20
MIN_IOU: Final = 0.5
VEHICLES: Final = frozenset({"car", "bus", "truck", "motorcycle"})


@dataclass(frozen=True, slots=True)
class F1Counts:
    """What a comparison of answers with a reference counted; add those of frames, then ask for `f1`.

    Attributes:
        true_positives: Boxes of the answers that are right.
        false_positives: Boxes of the answers that are not.
        false_negatives: Boxes of the reference that no answer found.
    """

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def __add__(self, other: F1Counts) -> F1Counts:
        """Returns the counts of both together."""
        return F1Counts(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None if there was no box on either side."""
        weight = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / weight if weight else None


def matched_counts(golden: Detections, answer: Detections | None) -> F1Counts:
    """Compares the answer for one frame, if there is one, with boxes matched one to one and class by class.

    Boxes with a score of at least `MIN_SCORE` are compared, on both sides. The answer's boxes, best
    first, each take the free golden box of their class that they overlap most, if their IoU is at
    least `MIN_IOU`, as COCO matches.
    """
    wanted = golden.scores >= np.float32(MIN_SCORE)
    num_wanted = int(wanted.sum())
    if answer is None:
        return F1Counts(false_negatives=num_wanted)
    given = answer.scores >= np.float32(MIN_SCORE)
    ious = box_ious(answer.boxes[given], golden.boxes[wanted])
    ious[answer.class_ids[given][:, None] != golden.class_ids[wanted][None, :]] = 0
    num_right = 0
    for k in np.argsort(-answer.scores[given], kind="stable") if num_wanted else ():
        best = int(ious[k].argmax())
        if ious[k, best] >= MIN_IOU:
            num_right += 1
            ious[:, best] = 0  # is taken
    return F1Counts(num_right, int(given.sum()) - num_right, num_wanted - num_right)


def overlap_counts(
    golden: Detections,
    answer: Detections | None,
    class_names: Collection[str],
    size_px: tuple[int, int] = REFERENCE_SIZE_PX,
) -> F1Counts:
    """Compares the answer for one frame, if there is one, by overlap alone.

    Vehicles, or objects of all classes where none of them is a vehicle's, with a score of at least
    `MIN_SCORE` are compared, on both sides. Two boxes match if their
    IoU is at least `MIN_IOU`; pixels are inclusive, so that a box from 0 to 9 is 10 wide. Neither is
    the class compared, nor is a box used up by a match: a true positive is a box of the answer that
    matches any golden one, a false negative a golden box that no box of the answer matches.

    Source: Jellyfish (RTSS 2022), the accuracy that it reports.
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
) -> npt.NDArray[np.float32]:
    """Returns the IoU [n, m] of boxes [n, 4] and [m, 4] (x0, y0, x1, y1 in px) whose last pixels belong to them."""
    past = np.array([0, 0, 1, 1], np.float32)
    return box_ious(a.astype(np.float32) + past, b.astype(np.float32) + past)


def _boxes_px(
    found: Detections, class_names: tuple[str, ...], size_px: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Returns the boxes that are compared, in whole pixels."""
    vehicle_ids = [number for number, name in enumerate(class_names) if name in VEHICLES]
    vehicle_ids = vehicle_ids or list(range(len(class_names)))
    is_kept = (found.scores >= np.float32(MIN_SCORE)) & np.isin(found.class_ids, vehicle_ids)
    return np.asarray(np.rint(found.boxes[is_kept].astype(np.float64) * np.tile(size_px, 2)))
