"""YOLOv5: middle, size, objectness, classes [b, n, 5 + classes], in px, sigmoid done."""

from __future__ import annotations

from .port import Decoded, Head, Outputs, corners, only


def _decode(outputs: Outputs, side_px: int) -> Decoded:
    rows = only(outputs)
    return Decoded(corners(rows[..., :4]) / side_px, rows[..., 4:5] * rows[..., 5:])


HEAD = Head("yolov5", _decode)
