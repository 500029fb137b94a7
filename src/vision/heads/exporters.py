"""What the programs that export networks write into the metadata: Ultralytics and LibreYOLO."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace

from ...core.zoo import Fit, InputFormat

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

ULTRALYTICS = ("yolov5", "yolov8", "one-to-one", "classifier")
LIBREYOLO = {
    "yolox": "yolox",
    "yolo9": "yolov9-mit",
    "yolov9": "yolov9-mit",
    "yolo9_e2e": "yolov9-mit-e2e",
    "yolonas": "yolo-nas",
    "ppyoloe": "pp-yoloe",
    "rfdetr": "rf-detr",
} | dict.fromkeys(
    ("rtdetr", "rtdetrv2", "rtdetrv4", "dfine", "deim", "deimv2", "tinyformer", "ec"),
    "detr-logits",
)
"""The layout of each of its families that has one here."""
_IMAGENET = {"ec", "tinyformer"}
_DEIMV2_OF_DINO = {"s", "m", "l", "x"}


def told_layouts(metadata: Mapping[str, str], names: list[str], is_asked: bool) -> list[str]:
    """What is left of the layouts that fit; of a family that has none here nothing, unless its user has asked for one."""
    if "names" in metadata and "stride" in metadata:
        return [name for name in names if name in ULTRALYTICS]
    family = metadata.get("model_family", "").lower()
    if not family or (is_asked and family not in LIBREYOLO):
        return names
    return [name for name in names if name == LIBREYOLO.get(family)]


def told_input(metadata: Mapping[str, str], form: InputFormat) -> InputFormat:
    """A layout's input as a file has it: some of LibreYOLO's families normalise as ImageNet does, or pad on both sides."""
    family = metadata.get("model_family", "").lower()
    is_of_dino = family == "deimv2" and metadata.get("size") in _DEIMV2_OF_DINO
    if family in _IMAGENET or is_of_dino:
        form = replace(form, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    if metadata.get("letterbox_pad") == "center":
        form = replace(form, fit=Fit.LETTERBOX)
    return form


def told_class_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """The names: a mapping or a list as Python has it, or as JSON has it; None where there are none."""
    try:
        names = ast.literal_eval(metadata.get("names", ""))
        if isinstance(names, dict):
            names = {int(number): name for number, name in names.items()}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError):
        return None
    if isinstance(names, dict) and sorted(names) == list(range(len(names))):
        return tuple(str(names[number]) for number in range(len(names)))
    return tuple(map(str, names)) if isinstance(names, list) else None
