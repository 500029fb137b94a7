"""The gate: what a network has to show before it is believed.

Each check is for a defect that exported networks have had: a batch that is baked in, a batch whose later pictures get the
first one's boxes, numbers that are none, a wrong order of colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from ..core.answers import Answer, Labels
from ..core.errors import UsageError
from ..core.zoo import Fit
from ..vision.fits import Image
from ..vision.heads.recognition import EXPORT_AGAIN
from ..vision.postprocessing import BrokenOutput, box_ious
from ..vision.preprocessing import fit_picture
from ..vision.scenes import Scene
from .executors.session import Session, in_one_line

MIN_IOU = 0.99
MAX_CORNER_SHIFT = 0.002  # of the picture, for boxes too small for their IoU to tell anything
MAX_SCORE_SHIFT = 0.01
MOST_COMPARED = 20
NUM_PICTURES = 3
GREY = 114
MANY_BOXES = 10
SURE = 0.3
NEARLY_NONE = 1e-6


def gate_pictures(side_px: int, fit: Fit) -> list[Image]:
    """Different pictures of one side, RGB: drawn streets."""
    return [fit_picture(image, side_px, fit).picture for image in _streets()]


@cache
def _streets() -> list[Image]:
    return [Scene(seed, "val").frame(40 * seed).image for seed in range(NUM_PICTURES)]


def pass_gate(name: str, session: Session, fit: Fit) -> list[str]:
    """Has a network show that it can be believed; returns what its user should know all the same.

    Raises:
        UsageError: naming the file, what is wrong, and what can be done.
    """
    side_px = session.side_px
    pictures = gate_pictures(side_px, fit)
    alone = [_run(name, session, [picture])[0] for picture in pictures]
    if not _agree(alone[0], _run(name, session, pictures[:1])[0]):
        raise UsageError(f"{name}: says something else of the same picture the second time")
    if session.max_batch_size != 1:
        together = _run(name, session, pictures)
        for number, (one, batched) in enumerate(zip(alone, together, strict=True), 1):
            if not _agree(one, batched):
                raise UsageError(
                    f"{name}: picture {number} of a batch of {NUM_PICTURES} gets another answer than alone: {EXPORT_AGAIN}"
                )
    grey = np.full((side_px, side_px, 3), GREY, np.uint8)
    num_sure = int((_run(name, session, [grey])[0].scores >= SURE).sum())
    if num_sure > MANY_BOXES:
        return [
            f"{name}: finds {num_sure} objects in a grey picture: are colour, scale, mean and std of its input right?"
        ]
    return []


def _run(name: str, session: Session, pictures: Sequence[Image]) -> Sequence[Answer]:
    batch = session.places(len(pictures))
    for picture, place in zip(pictures, batch, strict=True):
        session.write(picture, place)
    size = f"{session.side_px} x {session.side_px}"
    try:
        found = session.answers(session.infer(batch), NEARLY_NONE)
    except BrokenOutput as error:
        raise UsageError(
            f"{name}: {error} for a picture of {size}: export it again, in float32"
        ) from None
    except Exception as error:  # whatever a library fails with
        said = in_one_line(error)
        if len(pictures) > 1:
            raise UsageError(
                f"{name}: cannot run {len(pictures)} pictures at once, though it says so: {EXPORT_AGAIN} ({said})"
            ) from error
        raise UsageError(f"{name}: cannot run a picture of {size}: {said}") from error
    if len(found) != len(pictures):
        raise UsageError(
            f"{name}: has {len(found)} answers for {len(pictures)} pictures: {EXPORT_AGAIN}"
        )
    return found


def _agree(one: Answer, other: Answer) -> bool:
    """Whether the surest boxes of an answer are in the other as well, or its likeliest class as likely there."""
    if len(one) == 0:
        return len(other) == 0
    if isinstance(one, Labels) or isinstance(other, Labels):
        shifts = np.abs(other.scores[other.class_ids == one.class_ids[0]] - one.scores[0])
        return bool((shifts <= MAX_SCORE_SHIFT).any())
    compared = np.flatnonzero(one.scores >= one.scores[0] / 2)[:MOST_COMPARED]
    boxes, scores = one.boxes[compared], one.scores[compared]
    shift = np.abs(boxes[:, None] - other.boxes[None]).max(axis=-1, initial=0)
    same = (box_ious(boxes, other.boxes) >= MIN_IOU) | (shift <= MAX_CORNER_SHIFT)
    same &= one.class_ids[compared, None] == other.class_ids[None]
    same &= np.abs(scores[:, None] - other.scores[None]) <= MAX_SCORE_SHIFT
    return bool(same.any(axis=1).all())
