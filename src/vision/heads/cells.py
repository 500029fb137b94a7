"""Our own detectors: middles count from the cell's own, in strides, sizes are logarithms; logits of the classes."""

from __future__ import annotations

import numpy as np

from .port import Decoded, Head, Outputs, corners, grid, sigmoid

STRIDES = (8, 16, 32)
MAX_LOG_SIZE = 5.5
BOXES, LOGITS = "raw_boxes", "logits"


def _decode(outputs: Outputs, side_px: int) -> Decoded:
    raw = outputs[BOXES]
    places, strides = grid(side_px, STRIDES)
    middles = (places + 0.5 + raw[..., :2]) * strides
    sizes = np.exp(raw[..., 2:].clip(-MAX_LOG_SIZE, MAX_LOG_SIZE)) * strides
    boxes = corners(np.concatenate((middles, sizes), axis=-1)) / side_px
    return Decoded(boxes, sigmoid(outputs[LOGITS]))


HEAD = Head("cells", _decode)
