"""RT-DETR, D-FINE, DEIM and RF-DETR: an object has one box, so the surest pairs of box and class are all there is to find."""

from __future__ import annotations

import numpy as np

from .port import Decoded, Head, Outputs, corners, surest

COCO_HOLES = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Category ids below 91 that COCO does not use."""
COCO_IDS = 91


def _decode_picked(outputs: Outputs, side_px: int) -> Decoded:
    """Corners in the units of `orig_target_sizes`, for which the network is given the side."""
    class_ids = outputs["labels"].astype(np.int32)
    return Decoded(outputs["boxes"] / np.float32(side_px), outputs["scores"], class_ids)


def _decode_logits(outputs: Outputs, side_px: int) -> Decoded:
    return surest(corners(outputs["pred_boxes"]), outputs["pred_logits"])


def _decode_rfdetr(outputs: Outputs, side_px: int) -> Decoded:
    """With 91 columns class ids are COCO's, which have holes."""
    logits = outputs["labels"]
    if logits.shape[-1] == COCO_IDS:
        logits = np.delete(logits, (0, *COCO_HOLES), axis=-1)
    return surest(corners(outputs["dets"]), logits)


def _decode_rfdetr_spare(outputs: Outputs, side_px: int) -> Decoded:
    """Trained anew it has a last column that is no class."""
    return _decode_rfdetr({**outputs, "labels": outputs["labels"][..., :-1]}, side_px)


HEAD = Head("detr", _decode_picked, is_one_to_one=True)
LOGITS_HEAD = Head("detr_logits", _decode_logits, is_one_to_one=True)
RFDETR_HEAD = Head("rfdetr", _decode_rfdetr, is_one_to_one=True)
RFDETR_SPARE_HEAD = Head("rfdetr_spare", _decode_rfdetr_spare, is_one_to_one=True)
