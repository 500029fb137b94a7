"""From a camera's picture to what a detector takes: a square RGB picture of one side."""

from __future__ import annotations

import cv2
import numpy as np

from ..core.zoo import Fit
from .fits import PADDING_GREY, Fitted, Image, Size, corner_px, inner_size_px
from .picture_header import check_size
from .strict_decoding import REDUCTIONS, decode_strictly

_MAX_SIDE_PX = 4096
_MOST_WHOLE = 2
"""Times a network's side; larger pictures are not decoded in full."""
_MOST_GROWTH = 2
"""Of the pixels on the way from a picture to a smaller square."""


def resize(image_bgr: Image, size_px: Size) -> Image:
    """Returns the whole picture [height, width, 3] at another width and height.

    Raises:
        ValueError: If the picture is empty or of another shape, or the size is out of range.
    """
    if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or 0 in image_bgr.shape:  # noqa: PLR2004
        raise ValueError(f"image_bgr has shape {image_bgr.shape}: it must be [height, width, 3]")
    for edge in size_px:
        _check_side(edge)
    height, width = image_bgr.shape[:2]
    if (width, height) == size_px:
        return image_bgr
    shrink_ratio = max(width / size_px[0], height / size_px[1])
    if shrink_ratio <= 1:
        return _resized(image_bgr, size_px, 1, cv2.INTER_LINEAR)
    factor = 2
    while shrink_ratio > 2 * factor:
        factor *= 2
    if factor**2 * size_px[0] * size_px[1] > _MOST_GROWTH * height * width:
        return _resized(image_bgr, size_px, 1, cv2.INTER_AREA)
    # Means of areas, as INTER_AREA gives them, but three to four times as fast: it has a quick way for halves alone, and
    # linear interpolation leaves no pixel out where at most two become one.
    reduced = _resized(image_bgr, size_px, factor, cv2.INTER_LINEAR)
    while factor > 1:
        factor //= 2
        reduced = _resized(reduced, size_px, factor, cv2.INTER_AREA)
    return reduced


def _resized(image: Image, size_px: Size, factor: int, interpolation: int) -> Image:
    size = (factor * size_px[0], factor * size_px[1])
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.uint8)


def fit_picture(image_bgr: Image, side_px: int, fit: Fit = Fit.STRETCH) -> Fitted:
    """Has a picture [height, width, 3] fill a network's square.

    Raises:
        ValueError: If the picture or the side is out of range.
    """
    _check_side(side_px)
    height, width = image_bgr.shape[:2]
    size = inner_size_px((width, height), side_px, fit)
    inner = resize(image_bgr, size)
    if size == (side_px, side_px):
        return Fitted(np.asarray(cv2.cvtColor(inner, cv2.COLOR_BGR2RGB), np.uint8), (width, height))
    square = np.full((side_px, side_px, 3), PADDING_GREY, np.uint8)
    x, y = corner_px(size, side_px, fit)
    cv2.cvtColor(inner, cv2.COLOR_BGR2RGB, dst=square[y : y + size[1], x : x + size[0]])
    return Fitted(square, (width, height))


def decode_frame(jpeg: bytes | memoryview, side_px: int, fit: Fit = Fit.STRETCH) -> Fitted:
    """Decodes a frame as a detector takes it; any rotation noted in it is ignored.

    One whose longer edge is more than twice the side is reduced while it is decoded.

    Raises:
        UndecodableImage: If the bytes are no picture, or a spoiled one.
        ValueError: If the side is out of range.
    """
    _check_side(side_px)
    data = bytes(jpeg)
    try:
        longer_px = max(check_size(data))
    except ValueError:
        longer_px = 0  # the decoder says so, too
    return fit_picture(decode_strictly(data, reduction_of(longer_px, side_px)), side_px, fit)


def reduction_of(longer_px: int, side_px: int) -> int:
    """By how much a picture may be reduced while it is decoded, so that it stays at least as large as a network's side."""
    if longer_px <= _MOST_WHOLE * side_px:
        return 1
    return max(one for one in REDUCTIONS if longer_px >= one * side_px)


def encode_frame(
    image_bgr: Image, side_px: int, quality: int = 90, fit: Fit = Fit.STRETCH
) -> bytes:
    """Resizes a picture [height, width, 3] to what a network of that side and fit needs of it, and encodes that as a client does.

    Args:
        image_bgr: The picture.
        side_px: Of the network's square.
        quality: Of the JPEG, 1 to 100.
        fit: How the picture fills the square; what is padded is not sent.

    Raises:
        ValueError: If the picture, the side or the quality is out of range.
    """
    if not 1 <= quality <= 100:  # noqa: PLR2004
        raise ValueError(f"quality is {quality}: it must be between 1 and 100")
    _check_side(side_px)
    height, width = image_bgr.shape[:2]
    reduced = resize(image_bgr, inner_size_px((width, height), side_px, fit))
    is_encoded, encoded = cv2.imencode(".jpg", reduced, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_encoded:
        raise ValueError(f"image_bgr of shape {image_bgr.shape} cannot be encoded as JPEG")
    return encoded.tobytes()


def _check_side(side_px: int) -> None:
    if not 1 <= side_px <= _MAX_SIDE_PX:
        raise ValueError(f"side_px is {side_px}: it must be between 1 and {_MAX_SIDE_PX}")
