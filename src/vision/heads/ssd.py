"""SSD of TensorFlow's object detection API: y before x, from 0 to 1; classes count from 1; so many of the rows are meant."""

from __future__ import annotations

import numpy as np

from .port import Decoded, Head, Outputs

BOXES, SCORES, CLASSES, NUMBER = (
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
)


def _decode(outputs: Outputs, side_px: int) -> Decoded:
    found = {name.partition(":")[0]: one for name, one in outputs.items()}
    boxes, scores = found[BOXES], found[SCORES]
    meant = np.arange(scores.shape[1]) < found[NUMBER].reshape(-1, 1)
    class_ids = found[CLASSES].astype(np.int32) - 1
    return Decoded(boxes[..., [1, 0, 3, 2]], np.where(meant, scores, 0), class_ids)


HEAD = Head("ssd", _decode, is_one_to_one=True)
