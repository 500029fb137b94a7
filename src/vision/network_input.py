"""From a picture to the numbers that a network takes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.zoo import Colour, InputFormat
from .fits import Image

Array = npt.NDArray[Any]


def input_shape(side_px: int, form: InputFormat) -> tuple[int, int, int]:
    """The shape of one picture as the network takes it."""
    return (side_px, side_px, 3) if form.is_nhwc else (3, side_px, side_px)


def write_input(picture: Image, form: InputFormat, out: Array) -> None:
    """Writes a picture, RGB [side, side, 3], as a network takes it, to an array of `input_shape`, floats or bytes."""
    if form.colour is Colour.BGR:
        picture = picture[:, :, ::-1]
    if not form.is_nhwc:
        picture = picture.transpose(2, 0, 1)
    if form.is_uint8:
        out[:] = picture
        return
    factor, shift = _line(form)
    np.multiply(picture, factor, out=out, casting="same_kind")
    if shift is not None:
        out += shift.astype(out.dtype)


@lru_cache
def _line(form: InputFormat) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """What pixels are multiplied with, and what is added then; nothing, where that is 0."""
    std, mean = np.array(form.std), np.array(form.mean)
    shape = (1, 1, 3) if form.is_nhwc else (3, 1, 1)
    factor = (1 / (form.scale * std)).astype(np.float32).reshape(shape)
    shift = (-mean / std).astype(np.float32).reshape(shape)
    return factor, shift if shift.any() else None
