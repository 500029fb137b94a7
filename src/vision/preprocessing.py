"""From a camera's picture to what a detector takes: a square RGB picture of one side."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

UNDECODABLE = "jpeg: cannot be decoded"
_MAX_SIDE_PX = 4096
_MOST_GROWTH = 2
"""Of the pixels on the way from a picture to a smaller square."""


class UndecodableImage(ValueError):  # noqa: N818 - named for what it is
    """The bytes are no picture that can be decoded."""


def resize_to_side(image_bgr: Image, side_px: int) -> Image:
    """Returns the whole picture [height, width, 3] as a square; its aspect ratio is not kept.

    Raises:
        ValueError: If the picture is empty or of another shape, or the side is out of range.
    """
    if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or 0 in image_bgr.shape:  # noqa: PLR2004
        raise ValueError(f"image_bgr has shape {image_bgr.shape}: it must be [height, width, 3]")
    _check_side(side_px)
    height, width = image_bgr.shape[:2]
    if height == side_px and width == side_px:
        return image_bgr
    if side_px >= max(height, width):
        return _resized(image_bgr, side_px, cv2.INTER_LINEAR)
    factor = 2
    while max(height, width) > 2 * factor * side_px:
        factor *= 2
    if (factor * side_px) ** 2 > _MOST_GROWTH * height * width:
        return _resized(image_bgr, side_px, cv2.INTER_AREA)
    # Means of areas, as INTER_AREA gives them, but three to four times as fast: it has a quick way for halves alone, and
    # linear interpolation leaves no pixel out where at most two become one.
    square = _resized(image_bgr, factor * side_px, cv2.INTER_LINEAR)
    while factor > 1:
        factor //= 2
        square = _resized(square, factor * side_px, cv2.INTER_AREA)
    return square


def _resized(image: Image, side_px: int, interpolation: int) -> Image:
    return np.asarray(cv2.resize(image, (side_px, side_px), interpolation=interpolation), np.uint8)


def decode_frame(jpeg: bytes | memoryview, side_px: int) -> Image:
    """Decodes a frame as a detector takes it: RGB [side, side, 3]; any rotation noted in it is ignored.

    Raises:
        UndecodableImage: If the bytes are no picture.
        ValueError: If the side is out of range.
    """
    _check_side(side_px)
    encoded = np.frombuffer(jpeg, np.uint8)
    try:
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:  # an empty buffer too; its text names files of the library
        raise UndecodableImage(UNDECODABLE) from error
    if image is None:
        raise UndecodableImage(UNDECODABLE)
    square = resize_to_side(np.asarray(image, np.uint8), side_px)
    return np.asarray(cv2.cvtColor(square, cv2.COLOR_BGR2RGB), np.uint8)


def encode_frame(image_bgr: Image, side_px: int, quality: int = 90) -> bytes:
    """Resizes a picture [height, width, 3] and encodes it as a client does, at a JPEG quality of 1 to 100.

    Raises:
        ValueError: If the picture, the side or the quality is out of range.
    """
    if not 1 <= quality <= 100:  # noqa: PLR2004
        raise ValueError(f"quality is {quality}: it must be between 1 and 100")
    square = resize_to_side(image_bgr, side_px)
    is_encoded, encoded = cv2.imencode(".jpg", square, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_encoded:
        raise ValueError(f"image_bgr of shape {image_bgr.shape} cannot be encoded as JPEG")
    return encoded.tobytes()


def _check_side(side_px: int) -> None:
    if not 1 <= side_px <= _MAX_SIDE_PX:
        raise ValueError(f"side_px is {side_px}: it must be between 1 and {_MAX_SIDE_PX}")
