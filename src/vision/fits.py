"""How a picture of any shape fills a network's square, and where a box in the square was in the picture.

Boxes are fractions, so a picture that was stretched, or reduced, has them where its source has: only what was
added around it has to be taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.answers import Detections
from ..core.zoo import Fit

Image = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height in pixels."""

PADDING_GREY = 114
"""What surrounds a picture that does not fill the square, as detectors are trained."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture as a network takes it.

    Attributes:
        picture: RGB [side, side, 3].
        source_size_px: width and height of what was sent, which tells where in the square it is.
    """

    picture: Image
    source_size_px: Size


def inner_size_px(source_size_px: Size, side_px: int, fit: Fit) -> Size:
    """The part of the square that a picture fills, which is all that has to be sent of it."""
    if fit is Fit.STRETCH:
        return side_px, side_px
    longest = max(source_size_px)
    width, height = (max(1, round(side_px * edge / longest)) for edge in source_size_px)
    return width, height


def corner_px(inner_size: Size, side_px: int, fit: Fit) -> tuple[int, int]:
    """Where in the square the upper left corner of that part is: x, y."""
    if fit is Fit.LETTERBOX:
        return (side_px - inner_size[0]) // 2, (side_px - inner_size[1]) // 2
    return 0, 0


def undo(
    boxes: npt.NDArray[np.float32], source_size_px: Size, side_px: int, fit: Fit
) -> npt.NDArray[np.float32]:
    """Turns boxes [n, 4] from fractions of the square into fractions of the picture, cut at its edges."""
    if fit is Fit.STRETCH:
        return boxes
    inner = inner_size_px(source_size_px, side_px, fit)
    corner = np.tile(np.array(corner_px(inner, side_px, fit), np.float32), 2)
    size = np.tile(np.array(inner, np.float32), 2)
    return np.asarray(np.clip((boxes * np.float32(side_px) - corner) / size, 0, 1), np.float32)


def in_picture(found: Detections, source_size_px: Size, side_px: int, fit: Fit) -> Detections:
    """Detections with boxes as fractions of the picture, in place of the square; without those that lie in what was added."""
    if fit is Fit.STRETCH:
        return found
    boxes = undo(found.boxes, source_size_px, side_px, fit)
    is_seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return Detections(boxes[is_seen], found.scores[is_seen], found.class_ids[is_seen])
