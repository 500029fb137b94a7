"""From a network's output to answers: decode, keep the sure boxes, one an object; or the likeliest classes."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from ..core.answers import MAX_LABELS, Detections, Labels
from .heads.port import Decoded, Head

Floats = npt.NDArray[np.float32]

DEFAULT_MIN_SCORE: Final = 0.05
DEFAULT_MAX_IOU: Final = 0.6
MAX_DETECTIONS: Final = 100
MAX_CANDIDATES: Final = 400
"""The surest cells of a frame, of which detections are made; so a frame full of noise costs no more."""
_PART: Final = 128  # of the candidates that are looked at together
_SUM_NOISE: Final = 1e-3  # of half precision
_SCALE: Final = 4096.0  # the library takes boxes below 1e-16 of a unit for empty


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
    boxes: Floats,
    scores: Floats,
    class_ids: npt.NDArray[np.int32],
    max_iou: float,
    most: int | None = None,
) -> npt.NDArray[np.intp]:
    """Keeps of each class the best boxes that do not cover each other.

    Args:
        boxes: Corners [n, 4]; each box has an area.
        scores: Of each.
        class_ids: Of each.
        max_iou: Two kept boxes of one class overlap by no more than this.
        most: How many are wanted; None for all.

    Returns:
        Indices of the kept boxes, best first; equal scores in their given order.
    """
    order = np.argsort(-scores, kind="stable")
    most = len(order) if most is None else most
    kept = order[:0]
    # Part by part, so that what comes after the last one wanted costs nothing. What was thrown away covers
    # nothing any more, so a part has only to be held against what was kept.
    for start in range(0, len(order), _PART):
        tried = np.concatenate((kept, order[start : start + _PART]))
        kept = tried[_uncovered(boxes[tried], class_ids[tried], max_iou)]
        if len(kept) >= most:
            break
    return np.asarray(kept[:most], np.intp)


def _uncovered(
    boxes: Floats, class_ids: npt.NDArray[np.int32], max_iou: float
) -> npt.NDArray[np.intp]:
    """Indices of the boxes that no earlier one of their class covers."""
    rectangles = _SCALE * boxes.astype(np.float64)
    rectangles[:, 2:] -= rectangles[:, :2]
    ranks = np.arange(len(boxes), 0, -1, dtype=np.float32)  # for scores: earlier is better
    kept = cv2.dnn.NMSBoxesBatched(rectangles, ranks, class_ids, 0.0, max_iou)  # type: ignore[arg-type] # arrays are faster
    return np.asarray(kept, np.intp)


def select(decoded: Decoded, head: Head, min_score: float = DEFAULT_MIN_SCORE) -> list[Detections]:
    """Turns what a network says of a batch into the detections of each picture; see `select_detections`."""
    max_iou = 1.0 if head.is_one_to_one else DEFAULT_MAX_IOU
    class_ids = decoded.class_ids
    return [
        select_detections(
            boxes, scores, min_score, max_iou, None if class_ids is None else class_ids[number]
        )
        for number, (boxes, scores) in enumerate(zip(decoded.boxes, decoded.scores, strict=True))
    ]


def select_detections(
    boxes: Floats,
    scores: Floats,
    min_score: float = DEFAULT_MIN_SCORE,
    max_iou: float = DEFAULT_MAX_IOU,
    class_ids: npt.NDArray[np.int32] | None = None,
) -> Detections:
    """Turns one frame's decoded output into at most `MAX_DETECTIONS` detections, none of them empty.

    Args:
        boxes: Corners relative to the frame, [cells, 4].
        scores: Class probabilities, [cells, classes]; or of one class a cell alone, [cells].
        min_score: Less sure cells are left out.
        max_iou: See `suppress`; 1 suppresses nothing.
        class_ids: That class of each cell.

    Raises:
        BrokenOutput: If a score or a box in use is not a number.
    """
    if np.isnan(scores).any():
        raise BrokenOutput(f"{int(np.isnan(scores).sum())} of {scores.size} scores are no numbers")
    found, *columns = np.nonzero(scores >= min_score)
    if len(found) == 0:
        return Detections.empty()
    kinds = columns[0] if class_ids is None else class_ids[found]
    sure = scores[(found, *columns)]
    if len(found) > MAX_CANDIDATES:
        best = np.argpartition(-sure, MAX_CANDIDATES)[:MAX_CANDIDATES]
        best.sort()
        found, kinds, sure = found[best], kinds[best], sure[best]
    corners = np.clip(boxes[found], 0, 1)
    if np.isnan(corners).any():
        raise BrokenOutput(f"{int(np.isnan(corners).sum())} box corners are no numbers")
    in_frame = (corners[:, 2:] > corners[:, :2]).all(axis=1)
    corners, sure, kinds = corners[in_frame], sure[in_frame], kinds[in_frame].astype(np.int32)
    if max_iou < 1:
        kept = suppress(corners, sure, kinds, max_iou, MAX_DETECTIONS)
    else:
        kept = np.argsort(-sure, kind="stable")[:MAX_DETECTIONS]
    return Detections(
        np.ascontiguousarray(corners[kept], np.float32),
        np.ascontiguousarray(sure[kept], np.float32),
        np.ascontiguousarray(kinds[kept]),
    )


def select_labels(likelihoods: Floats) -> list[Labels]:
    """Turns a classifier's output [b, classes] into the likeliest `MAX_LABELS` classes of each picture.

    Logits become probabilities; rows that are probabilities already stay.

    Raises:
        BrokenOutput: If a number is none.
    """
    if not np.isfinite(likelihoods).all():
        raise BrokenOutput(
            f"{int((~np.isfinite(likelihoods)).sum())} of {likelihoods.size} scores are no numbers"
        )
    shares = np.exp(likelihoods - likelihoods.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    is_share = (likelihoods >= 0).all(axis=1) & (abs(likelihoods.sum(axis=1) - 1) < _SUM_NOISE)
    shares = np.where(is_share[:, None], likelihoods, shares)
    best = np.argsort(-shares, axis=1, kind="stable")[:, :MAX_LABELS].astype(np.int32)
    scores = np.take_along_axis(shares, best, axis=1).astype(np.float32)
    return [Labels(ids, own) for ids, own in zip(best, scores, strict=True)]
