"""From a network's output to detections: decode, keep the sure ones, one box an object."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from .detections import Detections

Floats = npt.NDArray[np.float32]

DEFAULT_MIN_SCORE: Final = 0.05
DEFAULT_MAX_IOU: Final = 0.6
MAX_DETECTIONS: Final = 100
_MAX_CANDIDATES: Final = 400


class BrokenOutput(ArithmeticError):  # noqa: N818 - named for what it is
    """A network gave a number that is none (NaN)."""


def box_ious(a: Floats, b: Floats) -> Floats:
    """Returns the intersection over union [n, m] of boxes [n, 4] and [m, 4] (corners)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    area_a = np.clip(a[:, 2:] - a[:, :2], 0, None).prod(axis=-1)
    area_b = np.clip(b[:, 2:] - b[:, :2], 0, None).prod(axis=-1)
    union = area_a[:, None] + area_b[None, :] - common
    return np.where(union > 0, common / np.maximum(union, 1e-12), 0).astype(np.float32)


def suppress(
    boxes: Floats, scores: Floats, class_ids: npt.NDArray[np.int32], max_iou: float
) -> npt.NDArray[np.intp]:
    """Keeps of each class the best boxes that do not cover each other.

    Args:
        boxes: Corners [n, 4].
        scores: [n].
        class_ids: [n].
        max_iou: Two kept boxes of one class overlap by no more than this.

    Returns:
        Indices of the kept boxes, best first; equal scores in their given order.
    """
    order = np.argsort(-scores, kind="stable")
    overlap = box_ious(boxes[order], boxes[order]) > max_iou
    overlap &= class_ids[order][:, None] == class_ids[order][None, :]
    is_kept = np.ones(len(order), np.bool_)
    for i in range(len(order)):
        if is_kept[i]:
            is_kept[i + 1 :] &= ~overlap[i, i + 1 :]
    return np.asarray(order[is_kept], np.intp)


def select_detections(
    boxes: Floats,
    scores: Floats,
    min_score: float = DEFAULT_MIN_SCORE,
    max_iou: float = DEFAULT_MAX_IOU,
) -> Detections:
    """Turns one frame's decoded output into at most `MAX_DETECTIONS` detections.

    Args:
        boxes: Corners relative to the frame, [cells, 4].
        scores: Class probabilities, [cells, classes].
        min_score: Less sure cells are left out.
        max_iou: See `suppress`.

    Raises:
        BrokenOutput: If a score or a box in use is not a number.
    """
    if np.isnan(scores).any():
        raise BrokenOutput(f"{int(np.isnan(scores).sum())} of {scores.size} scores are no numbers")
    found, class_ids = np.nonzero(scores >= min_score)
    if len(found) == 0:
        return Detections.empty()
    sure = scores[found, class_ids]
    if len(found) > _MAX_CANDIDATES:
        best = np.argpartition(-sure, _MAX_CANDIDATES)[:_MAX_CANDIDATES]
        best.sort()
        found, class_ids, sure = found[best], class_ids[best], sure[best]
    corners = np.clip(boxes[found], 0, 1)
    if np.isnan(corners).any():
        raise BrokenOutput(f"{int(np.isnan(corners).sum())} box corners are no numbers")
    kinds = class_ids.astype(np.int32)
    kept = suppress(corners, sure, kinds, max_iou)[:MAX_DETECTIONS]
    return Detections(
        np.ascontiguousarray(corners[kept], np.float32),
        np.ascontiguousarray(sure[kept], np.float32),
        np.ascontiguousarray(kinds[kept]),
    )
