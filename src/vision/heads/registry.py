"""The heads by name."""

from __future__ import annotations

from ...core.checks import echo
from . import boxes_scores, cells, detr, nanodet, one_to_one, ssd, yolov4, yolov5, yolov8, yolox
from .port import Head

HEADS: dict[str, Head] = {
    head.name: head
    for head in (
        yolov4.HEAD,
        yolov5.HEAD,
        yolov8.HEAD,
        yolov8.CORNERS_HEAD,
        yolov8.CORNERS_ONE_TO_ONE_HEAD,
        one_to_one.HEAD,
        yolox.HEAD,
        yolox.RAW_HEAD,
        detr.HEAD,
        detr.LOGITS_HEAD,
        detr.RFDETR_HEAD,
        detr.RFDETR_SPARE_HEAD,
        nanodet.HEAD,
        nanodet.SPLIT_HEAD,
        boxes_scores.HEAD,
        ssd.HEAD,
        cells.HEAD,
    )
}


def head_named(name: str) -> Head:
    """Returns a head; ValueError with the known ones if there is none of this name."""
    if name not in HEADS:
        raise ValueError(f"head={echo(name)}: must be one of {', '.join(HEADS)}")
    return HEADS[name]
