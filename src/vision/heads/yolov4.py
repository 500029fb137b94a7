"""YOLOv4 as pytorch-YOLOv4 exports it: corners from 0 to 1, objectness multiplied in."""

from __future__ import annotations

from .port import Decoded, Head, Outputs


def _decode(outputs: Outputs, side_px: int) -> Decoded:
    boxes = next(one for one in outputs.values() if one.ndim == 4)  # noqa: PLR2004 [b, n, 1, 4]
    scores = next(one for one in outputs.values() if one.ndim == 3)  # noqa: PLR2004 [b, n, classes]
    return Decoded(boxes[:, :, 0], scores)


HEAD = Head("yolov4", _decode)
