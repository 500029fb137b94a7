"""Layouts are told from what files say; doubts are named, with what can be done."""

from __future__ import annotations

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.core.zoo import Colour, Fit, Task
from moonjelly.vision.heads.recognition import (
    LAYOUTS,
    NetworkFacts,
    Recognised,
    Shape,
    TensorFacts,
    recognise,
)
from moonjelly.vision.heads.registry import HEADS

ULTRALYTICS = {"names": "{0: 'person', 1: 'dog'}", "stride": "32", "task": "detect"}
LIBREYOLO = {"names": '{"0": "person", "1": "dog"}', "libreyolo_version": "1.6.0"}
ANY: Shape = (None, 3, None, None)


def facts(
    outputs: dict[str, Shape],
    shape: Shape = (None, 3, 640, 640),
    metadata: dict[str, str] | None = None,
    others: dict[str, Shape] | None = None,
    dtype: str = "float32",
) -> NetworkFacts:
    inputs = [TensorFacts("images", shape, dtype)]
    inputs += [TensorFacts(name, one, "int64") for name, one in (others or {}).items()]
    return NetworkFacts(
        tuple(inputs),
        tuple(TensorFacts(name, one, "float32") for name, one in outputs.items()),
        metadata or {},
    )


def tell(layout: str = "", **given) -> Recognised:
    return recognise("net.onnx", facts(**given), layout)


NANODET_SPLIT = {
    f"{kind}{stride}": (1, (416 // stride) ** 2, columns)
    for stride in (8, 16, 32)
    for kind, columns in (("cls", 80), ("reg", 32))
} | {"cls64": (1, 49, 80), "reg64": (1, 49, 32)}


@pytest.mark.parametrize(
    ("given", "layout", "head", "num_classes"),
    [
        ({"outputs": {"boxes": (None, 22743, 1, 4), "confs": (None, 22743, 80)}, "shape": (None, 3, 608, 608)}, "yolov4", "yolov4", 80),
        ({"outputs": {"output0": (1, 25200, 85)}, "shape": (1, 3, 640, 640)}, "yolov5", "yolov5", 80),
        ({"outputs": {"output0": (None, 6, None)}, "shape": ANY, "metadata": ULTRALYTICS}, "yolov8", "yolov8", 2),
        ({"outputs": {"output0": (1, 6, 8400)}, "metadata": ULTRALYTICS}, "yolov8", "yolov8", 2),
        ({"outputs": {"output": (1, 84, 8400)}, "metadata": {"model_family": "yolo9"}}, "yolov9-mit", "yolov9_mit", 80),
        ({"outputs": {"output0": (1, 300, 6)}, "metadata": ULTRALYTICS}, "one-to-one", "one_to_one", 2),
        ({"outputs": {"output": (1, 8400, 85)}}, "yolox", "yolox_raw", 80),
        ({"outputs": {"labels": (None, 300), "boxes": (None, 300, 4), "scores": (None, 300)}, "others": {"orig_target_sizes": (None, 2)}}, "detr", "detr", None),
        ({"outputs": {"pred_logits": (None, 300, 80), "pred_boxes": (None, 300, 4)}}, "detr-logits", "detr_logits", 80),
        ({"outputs": {"dets": (1, 300, 4), "labels": (1, 300, 91)}, "shape": (1, 3, 384, 384)}, "rf-detr", "rfdetr", 80),
        ({"outputs": {"dets": (1, 300, 4), "labels": (1, 300, 7)}, "shape": (1, 3, 384, 384)}, "rf-detr", "rfdetr", 7),
        ({"outputs": {"output": (1, 3598, 112)}, "shape": (1, 3, 416, 416)}, "nanodet", "nanodet", 80),
        ({"outputs": NANODET_SPLIT, "shape": (1, 3, 416, 416)}, "nanodet-split", "nanodet_split", 80),
        ({"outputs": {"detection_boxes:0": (None, None, 4), "detection_scores:0": (None, None), "detection_classes:0": (None, None), "num_detections:0": (None,)}, "shape": (None, None, None, 3), "dtype": "uint8"}, "ssd", "ssd", None),
        ({"outputs": {"raw_boxes": (None, None, 4), "logits": (None, None, 4)}, "shape": ANY}, "moonjelly", "cells", 4),
        ({"outputs": {"logits": (None, 1000)}, "shape": (None, 3, 224, 224)}, "classifier", "", 1000),
    ],
)  # fmt: skip
def test_well_known_exports_are_told(given, layout, head, num_classes) -> None:
    found = tell(**given)
    assert (found.layout, found.head, found.num_classes) == (layout, head, num_classes)
    assert found.task is (Task.DETECTION if head else Task.CLASSIFICATION)
    assert found.head in HEADS or not head


def test_every_layout_has_a_head() -> None:
    told_later = {"yolox", "rfdetr_spare"}
    assert {one.head for one in LAYOUTS} | told_later == set(HEADS) | {""}


def test_batch_and_side_are_those_of_the_input() -> None:
    outputs = {"output0": (1, 25200, 85)}
    fixed = tell(outputs=outputs, shape=(1, 3, 640, 640))
    free = tell(outputs={"output0": (None, None, 85)}, shape=ANY, layout="yolov5")
    assert (fixed.max_batch_size, fixed.side_px) == (1, 640)
    assert (free.max_batch_size, free.side_px) == (None, None)


def test_what_goes_in_is_as_the_family_wants_it() -> None:
    nanodet = tell(outputs={"output": (1, 3598, 112)}, shape=(1, 3, 416, 416)).input
    assert (nanodet.colour, nanodet.fit, nanodet.mean[0]) == (Colour.BGR, Fit.STRETCH, 103.53)
    yolox = tell(outputs={"output": (1, 8400, 85)}).input
    assert (yolox.colour, yolox.scale, yolox.fit) == (Colour.BGR, 1.0, Fit.LETTERBOX_TOP_LEFT)
    ssd = tell(
        outputs={"detection_boxes": (1, 10, 4), "detection_scores": (1, 10), "detection_classes": (1, 10), "num_detections": (1,)},
        shape=(1, None, None, 3),
        dtype="uint8",
    ).input  # fmt: skip
    assert ssd.is_uint8
    assert ssd.is_nhwc


DETR: dict[str, Shape] = {"pred_logits": (1, 300, 2), "pred_boxes": (1, 300, 4)}
SWAPPED: dict[str, Shape] = {"pred_logits": (1, 8400, 4), "pred_boxes": (1, 8400, 2)}
SWAPPED_4: dict[str, Shape] = {"pred_logits": (1, 8400, 4), "pred_boxes": (1, 8400, 4)}
LETTERS = {"names": "{0: 'a', 1: 'b', 2: 'c', 3: 'd'}"}


@pytest.mark.parametrize(
    ("outputs", "metadata", "layout", "fit", "mean"),
    [
        ({"output": (1, 6, 8400)}, {"model_family": "yolo9"}, "yolov9-mit", Fit.LETTERBOX_TOP_LEFT, 0.0),
        ({"output": (1, 6, 8400)}, {"model_family": "yolo9", "letterbox_pad": "center"}, "yolov9-mit", Fit.LETTERBOX, 0.0),
        ({"output": (1, 6, 8400)}, {"model_family": "yolo9_e2e"}, "yolov9-mit-e2e", Fit.LETTERBOX_TOP_LEFT, 0.0),
        (SWAPPED, {"model_family": "yolonas"}, "yolo-nas", Fit.LETTERBOX, 0.0),
        (SWAPPED_4, {"model_family": "yolonas"} | LETTERS, "yolo-nas", Fit.LETTERBOX, 0.0),
        ({"boxes": (1, 8400, 4), "scores": (1, 8400, 2)}, {"model_family": "ppyoloe"}, "pp-yoloe", Fit.STRETCH, 0.485),
        (DETR, {"model_family": "dfine"}, "detr-logits", Fit.STRETCH, 0.0),
        (DETR, {"model_family": "deimv2", "size": "n"}, "detr-logits", Fit.STRETCH, 0.0),
        (DETR, {"model_family": "deimv2", "size": "s"}, "detr-logits", Fit.STRETCH, 0.485),
        (DETR, {"model_family": "ec"}, "detr-logits", Fit.STRETCH, 0.485),
    ],
)  # fmt: skip
def test_libreyolo_says_its_family_and_what_goes_in(outputs, metadata, layout, fit, mean) -> None:
    found = tell(outputs=outputs, metadata=LIBREYOLO | metadata)
    assert (found.layout, found.input.fit, found.input.mean[0]) == (layout, fit, mean)
    assert found.num_classes == len(found.class_names)


def test_a_family_of_libreyolo_that_is_not_known_is_not_taken_for_another() -> None:
    given = {"outputs": {"output": (1, 100, 6)}, "metadata": {"model_family": "centernet"}}
    with pytest.raises(UsageError, match="of no known layout"):
        tell(**given)
    assert tell(**given, layout="one-to-one").head == "one_to_one"


def test_names_of_its_user_come_before_wrong_ones_in_the_file() -> None:
    given = facts({"output0": (1, 7, 8400)}, metadata=ULTRALYTICS)
    assert recognise("net.onnx", given, num_names=3).num_classes == 3


def test_a_column_that_is_no_class_is_told_by_the_number_of_names() -> None:
    given = facts({"dets": (1, 300, 4), "labels": (1, 300, 7)}, (1, 3, 384, 384))
    for num_names, head in ((6, "rfdetr_spare"), (7, "rfdetr")):
        found = recognise("net.onnx", given, num_names=num_names)
        assert (found.head, found.num_classes) == (head, num_names)


def test_names_of_classes_come_from_the_metadata() -> None:
    outputs = {"output0": (1, 6, 8400)}
    assert tell(outputs=outputs, metadata=ULTRALYTICS).class_names == ("person", "dog")
    listed = ULTRALYTICS | {"names": "['a', 'b']"}
    assert tell(outputs=outputs, metadata=listed).class_names == ("a", "b")
    of_libreyolo = LIBREYOLO | {"model_family": "yolo9"}
    assert tell(outputs=outputs, metadata=of_libreyolo).class_names == ("person", "dog")


@pytest.mark.parametrize(
    "names",
    [
        "",
        "{",
        "{1: 'a'}",
        "{'a': 'b'}",
        "{None: 1}",
        "{1e999: 'a'}",
        "__import__('os')",
        "7",
        "(" * 5000,
    ],
)
def test_names_that_are_none_are_no_harm(names: str) -> None:
    found = tell(outputs={"output0": (1, 300, 6)}, metadata=ULTRALYTICS | {"names": names})
    assert found.class_names is None


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"outputs": {"output": (1, 84, 8400)}}, r"output \[1, 84, 8400\] may be yolov8 or yolov9-mit or yolov9-mit-e2e: say which with --layout"),
        ({"outputs": {"a": (1, 8400, 4), "b": (1, 8400, 80)}}, "may be damo-yolo or yolo-nas or pp-yoloe"),
        ({"outputs": {"output": (None, None, 85)}, "shape": ANY}, "may be yolov5 or yolox or nanodet"),
        ({"outputs": {"mask": (1, 32, 160, 160)}}, r"mask \[1, 32, 160, 160\] are of no known layout; known are yolov4"),
        ({"outputs": {"output0": (1, 7, 8400)}, "metadata": ULTRALYTICS}, "scores of 3 classes and names of 2"),
        ({"outputs": {"output0": (1, 25200, 85)}, "dtype": "int64"}, "input images is int64: must be float32"),
        ({"outputs": {"output0": (1, 25200, 85)}, "shape": (1, 3, 480, 640)}, "must be as wide as high"),
        ({"outputs": {"output0": (1, 25200, 85)}, "shape": (1, 1, 640, 640)}, "must have 3 channels"),
        ({"outputs": {"output0": (4, 25200, 85)}, "shape": (4, 3, 640, 640)}, "takes exactly 4 pictures at once: export it again"),
        ({"outputs": {"output0": (1, 25200, 85)}, "others": {"text": (1, 9)}}, "must take one picture"),
        ({"outputs": {"output0": (1, 25200, 85)}, "layout": "yolov99"}, "--layout='yolov99': must be one of"),
        ({"outputs": {"output0": (1, 25200, 85)}, "layout": "yolox"}, "--layout=yolox: does not fit its outputs"),
    ],
)  # fmt: skip
def test_doubts_are_named(given, complaint) -> None:
    with pytest.raises(UsageError, match=complaint):
        tell(**given)


def test_a_doubt_is_settled_by_its_user() -> None:
    found = tell(outputs={"output": (1, 84, 8400)}, layout="yolov9-mit")
    assert (found.head, found.num_classes) == ("yolov9_mit", 80)
