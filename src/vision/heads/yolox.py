"""YOLOX: as YOLOv5 where it was exported with its decoding; else middles count from their cells, in strides, and sizes are logarithms."""

from __future__ import annotations

import numpy as np

from . import yolov5
from .port import Decoded, Head, Outputs, corners, grid, only

STRIDES = (8, 16, 32)


def _decode_raw(outputs: Outputs, side_px: int) -> Decoded:
    rows = only(outputs)
    places, strides = grid(side_px, STRIDES)
    middles = (rows[..., :2] + places) * strides
    with np.errstate(over="ignore"):
        sizes = np.exp(rows[..., 2:4]) * strides
    boxes = corners(np.concatenate((middles, sizes), axis=-1)) / side_px
    return Decoded(boxes, rows[..., 4:5] * rows[..., 5:])


HEAD = Head("yolox", yolov5.HEAD.decode)
RAW_HEAD = Head("yolox_raw", _decode_raw)


def tell(outputs: Outputs, side_px: int) -> Head:
    """Which of the two an output is of: raw middles stay within a cell or so, those in px do not."""
    return RAW_HEAD if np.abs(only(outputs)[..., :2]).max() <= 1.5 * side_px / STRIDES[0] else HEAD
