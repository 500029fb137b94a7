"""F1 with boxes matched one to one and class by class, so that no box counts twice."""

from __future__ import annotations

import numpy as np

from .detections import Detections
from .f1 import F1Counts
from .overlap_f1 import MIN_IOU, MIN_SCORE
from .postprocessing import box_ious


def matched_counts(golden: Detections, answer: Detections | None) -> F1Counts:
    """Compares the answer for one frame with the golden detections of that frame.

    Boxes with a score of at least `MIN_SCORE` are compared, on both sides. The answer's boxes, best
    first, each take the free golden box of their class that they overlap most, if their IoU is at
    least `MIN_IOU`, as COCO matches.

    Args:
        golden: What the reference detector found.
        answer: What is to be scored; None, for a frame without answer, counts as empty.
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
