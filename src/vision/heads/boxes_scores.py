"""DAMO-YOLO, YOLO-NAS and PP-YOLOE: corners in px [b, n, 4] and scores [b, n, classes], each an output of its own."""

from __future__ import annotations

from .port import Decoded, Head, Outputs

NUM_CORNERS = 4


def _decode(outputs: Outputs, side_px: int) -> Decoded:
    """Of two outputs alike (four classes) the larger numbers are the corners."""
    first, second = outputs.values()
    if first.shape[-1] == second.shape[-1]:
        is_first = first.max(initial=0) > second.max(initial=0)
    else:
        is_first = first.shape[-1] == NUM_CORNERS
    boxes, scores = (first, second) if is_first else (second, first)
    return Decoded(boxes / side_px, scores)


HEAD = Head("boxes_scores", _decode)
