"""Each head finds the boxes that were written into outputs as its family writes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from moonjelly.core.answers import Detections
from moonjelly.vision.heads import yolox
from moonjelly.vision.heads.detr import COCO_HOLES
from moonjelly.vision.heads.port import Outputs
from moonjelly.vision.heads.registry import HEADS, head_named
from moonjelly.vision.postprocessing import BrokenOutput, box_ious, select

SIDE = 256
NUM_CLASSES = 5
SURE = 0.9
Written = dict[str, np.ndarray]

#: Corners as fractions, and the class, of what is in each of three pictures.
TRUTH = [
    [((0.10, 0.20, 0.35, 0.70), 1), ((0.50, 0.50, 0.90, 0.95), 4)],
    [((0.05, 0.05, 0.15, 0.12), 0)],
    [((0.30, 0.10, 0.80, 0.60), 3), ((0.31, 0.11, 0.81, 0.61), 2)],  # of two classes in one place
]


def middle(box: tuple[float, ...], scale: float = SIDE) -> list[float]:
    x0, y0, x1, y1 = (scale * part for part in box)
    return [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]


def one_hot(
    class_id: int, value: float, rest: float = 0.0, number: int = NUM_CLASSES
) -> list[float]:
    return [value if k == class_id else rest for k in range(number)]


def rows(
    write: Callable[[tuple[float, ...], int], list[float]], num_rows: int, rest: float = 0.0
) -> np.ndarray:
    """One output with a row for each object, at places that differ, and nothing in the others."""
    width = len(write(*TRUTH[0][0]))
    out = np.full((len(TRUTH), num_rows, width), rest, np.float32)
    for picture, objects in enumerate(TRUTH):
        for number, (box, class_id) in enumerate(objects):
            out[picture, 7 + 31 * number + picture] = write(box, class_id)
    return out


def num_cells(*strides: int) -> int:
    return sum((SIDE // stride) ** 2 for stride in strides)


def yolov4() -> Written:
    every = rows(lambda box, k: [*box, *one_hot(k, SURE)], 100)
    return {"boxes": every[:, :, None, :4], "confs": every[:, :, 4:]}


def yolov5() -> Written:
    return {
        "output0": rows(
            lambda box, k: [*middle(box), 0.95, *one_hot(k, SURE / 0.95)], 3 * num_cells(8, 16, 32)
        )
    }


def yolov8() -> Written:
    every = rows(lambda box, k: [*middle(box), *one_hot(k, SURE)], num_cells(8, 16, 32))
    return {"output0": every.transpose(0, 2, 1)}


def yolov9_mit() -> Written:
    every = rows(
        lambda box, k: [*(SIDE * part for part in box), *one_hot(k, SURE)], num_cells(8, 16, 32)
    )
    return {"output": every.transpose(0, 2, 1)}


def one_to_one() -> Written:
    return {"output0": rows(lambda box, k: [*(SIDE * part for part in box), SURE, k], 300)}


def yolox_decoded() -> Written:
    return {"output": yolov5()["output0"][:, : num_cells(8, 16, 32)]}


def yolox_raw() -> Written:
    """Each object in the cell of stride 16 that its middle is in."""
    out = np.zeros((len(TRUTH), num_cells(8, 16, 32), 5 + NUM_CLASSES), np.float32)
    for picture, objects in enumerate(TRUTH):
        for number, (box, k) in enumerate(objects):
            x, y, w, h = (part / 16 for part in middle(box))
            column, row = min(15, int(x) + number), int(y)  # two in one place are in two cells
            where = num_cells(8) + 16 * row + column
            out[picture, where] = [
                x - column,
                y - row,
                np.log(w),
                np.log(h),
                0.95,
                *one_hot(k, SURE / 0.95),
            ]
    return {"output": out}


def detr() -> Written:
    every = rows(lambda box, k: [*(SIDE * part for part in box), SURE, k], 300)
    return {
        "labels": every[..., 5].astype(np.int64),
        "boxes": every[..., :4],
        "scores": every[..., 4],
    }


def detr_logits(
    names: tuple[str, str] = ("pred_logits", "pred_boxes"), number: int = NUM_CLASSES
) -> Written:
    logit = float(np.log(SURE / (1 - SURE)))
    every = rows(
        lambda box, k: [*middle(box, 1.0), *one_hot(k, logit, -9.0, number)], 300, rest=-9.0
    )
    return {names[0]: every[..., 4:], names[1]: every[..., :4]}


def rfdetr() -> Written:
    """With COCO's 91 columns, of which class k is the k-th that is used."""
    used = [k for k in range(1, 91) if k not in COCO_HOLES]
    logit = float(np.log(SURE / (1 - SURE)))
    every = rows(
        lambda box, k: [*middle(box, 1.0), *one_hot(used[k], logit, -9.0, 91)], 300, rest=-9.0
    )
    return {"dets": every[..., :4], "labels": every[..., 4:]}


def rfdetr_spare() -> Written:
    """Trained anew: a column a class, and a last one that is sure of everything and means nothing."""
    logit = float(np.log(SURE / (1 - SURE)))
    every = rows(lambda box, k: [*middle(box, 1.0), *one_hot(k, logit, -9.0), 0.0], 300, rest=-9.0)
    every[..., -1] = 9.0
    return {"dets": every[..., :4], "labels": every[..., 4:]}


def nanodet(offset: float = 0.0) -> Written:
    """Each object at a cell of stride 64 within it; a distance between two bins is shared by both."""
    out = np.zeros((len(TRUTH), num_cells(8, 16, 32, 64), NUM_CLASSES + 32), np.float32)
    for picture, objects in enumerate(TRUTH):
        for number, (box, k) in enumerate(objects):
            x0, y0, x1, y1 = (SIDE * part for part in box)
            stride = 8 if x1 - x0 < 40 else 64
            shift = offset * (stride - 1)
            column, row = (
                round((low + high) / 2 / stride - shift / stride)
                for low, high in ((x0, x1), (y0, y1))
            )
            if picture == 2:  # two in one place are at two cells
                column += -number if offset else number
            x, y = column * stride + shift, row * stride + shift
            width = SIDE // stride
            first = 0 if stride == 8 else num_cells(8, 16, 32)
            bins: list[float] = []
            for distance in (
                (x - x0) / stride,
                (y - y0) / stride,
                (x1 - x) / stride,
                (y1 - y) / stride,
            ):
                assert 0 <= distance < 7
                share = np.full(8, 1e-9)
                share[int(distance)] += 1 - distance % 1
                share[int(distance) + 1] += distance % 1
                bins += np.log(share).tolist()
            out[picture, first + row * width + column] = [*one_hot(k, SURE), *bins]
    return {"output": out}


def nanodet_split() -> Written:
    joined, start, out = nanodet(0.5)["output"], 0, {}
    for stride in (8, 16, 32, 64):
        own = joined[:, start : start + num_cells(stride)]
        out |= {f"cls{stride}": own[..., :NUM_CLASSES], f"reg{stride}": own[..., NUM_CLASSES:]}
        start += num_cells(stride)
    return out


def boxes_scores() -> Written:
    every = rows(
        lambda box, k: [*(SIDE * part for part in box), *one_hot(k, SURE)], num_cells(8, 16, 32)
    )
    return {"scores": every[..., 4:], "boxes": every[..., :4]}


def ssd() -> Written:
    every = rows(lambda box, k: [box[1], box[0], box[3], box[2], SURE, k + 1], 100)
    every[:, 90:, 4] = 0.99  # beyond the rows that are meant
    return {
        "detection_boxes:0": every[..., :4],
        "detection_scores:0": every[..., 4],
        "detection_classes:0": every[..., 5],
        "num_detections:0": np.full(3, 90, np.float32),
    }


def cells() -> Written:
    """Each object in the cell of stride 16 that its middle is in."""
    raw = yolox_raw()["output"]
    logits = np.full((*raw.shape[:2], NUM_CLASSES), -9.0, np.float32)
    logits[raw[..., 5:] > 0] = np.log(SURE / (1 - SURE))
    boxes = raw[..., :4].copy()
    boxes[raw[..., 4] > 0, :2] -= 0.5
    return {"raw_boxes": boxes, "logits": logits}


WRITTEN = {
    "cells": cells,
    "yolov4": yolov4,
    "yolov5": yolov5,
    "yolov8": yolov8,
    "yolov9_mit": yolov9_mit,
    "yolov9_mit_e2e": yolov9_mit,
    "one_to_one": one_to_one,
    "yolox": yolox_decoded,
    "yolox_raw": yolox_raw,
    "detr": detr,
    "detr_logits": detr_logits,
    "rfdetr": rfdetr,
    "rfdetr_spare": rfdetr_spare,
    "nanodet": nanodet,
    "nanodet_split": nanodet_split,
    "boxes_scores": boxes_scores,
    "ssd": ssd,
}


def run(name: str, outputs: Outputs) -> list[Detections]:
    head = head_named(name)
    return select(head.decode(outputs, SIDE), head)


def test_every_head_is_tried() -> None:
    assert set(WRITTEN) == set(HEADS)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_was_written_is_found(name: str) -> None:
    for found, objects in zip(run(name, WRITTEN[name]()), TRUTH, strict=True):
        assert len(found) == len(objects)
        truth = np.array([box for box, _ in objects], np.float32)
        same = box_ious(truth, found.boxes) >= 0.99
        same &= np.array([k for _, k in objects])[:, None] == found.class_ids[None]
        assert same.any(axis=1).all()
        np.testing.assert_allclose(found.scores, SURE, atol=1e-3)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_batch_is_its_pictures_one_by_one(name: str) -> None:
    written = WRITTEN[name]()
    for number, together in enumerate(run(name, written)):
        (alone,) = run(name, {key: one[number : number + 1] for key, one in written.items()})
        np.testing.assert_array_equal(alone.boxes, together.boxes)
        np.testing.assert_array_equal(alone.class_ids, together.class_ids)


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_that_are_none_are_told(name: str) -> None:
    written = WRITTEN[name]()
    broken = {
        key: np.full_like(one, np.nan)
        for key, one in written.items()
        if one.dtype == np.float32 and not key.startswith(("num", "detection_classes"))
    }
    with pytest.raises(BrokenOutput), np.errstate(invalid="ignore"):
        run(name, written | broken)


def test_one_object_found_twice_is_suppressed_only_where_heads_find_it_twice() -> None:
    written = yolov8()["output0"]
    written[0, :, 200] = written[0, :, 7]
    assert len(run("yolov8", {"output0": written})[0]) == 2
    rows_ = one_to_one()["output0"]
    rows_[0, 200] = rows_[0, 7]
    assert len(run("one_to_one", {"output0": rows_})[0]) == 3


def test_a_query_may_be_of_two_classes() -> None:
    written = detr_logits()
    written["pred_logits"][1, 8, 3] = 1.0
    assert sorted(run("detr_logits", written)[1].class_ids.tolist()) == [0, 3]


def test_boxes_and_scores_of_four_classes_are_told_by_their_size() -> None:
    written = boxes_scores()
    found = run("boxes_scores", {"a": written["scores"][..., 1:], "b": written["boxes"]})
    assert found[0].class_ids.tolist() == [0, 3]


def test_yolox_is_told_raw_or_decoded_by_its_numbers() -> None:
    assert yolox.tell(yolox_raw(), SIDE) is yolox.RAW_HEAD
    assert yolox.tell(yolox_decoded(), SIDE) is yolox.HEAD


def test_an_unknown_head_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="head='yolov99': must be one of yolov4, yolov5"):
        head_named("yolov99")
