from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from moonjelly.core.answers import Detections
from moonjelly.vision.accuracy import FrameTruth, evaluate_detections, in_classes
from moonjelly.vision.classes import COCO_CLASSES, TRAFFIC_CLASSES

evaluate = partial(evaluate_detections, class_names=TRAFFIC_CLASSES)
BOX = (0.1, 0.1, 0.2, 0.3)
OTHER = (0.5, 0.5, 0.7, 0.9)


def _truth(*rows: tuple[tuple[float, ...], int, bool]) -> FrameTruth:
    return FrameTruth(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int32),
        np.array([row[2] for row in rows], np.bool_),
    )


def _answer(*rows: tuple[tuple[float, ...], int, float]) -> Detections:
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[2] for row in rows], np.float32),
        np.array([row[1] for row in rows], np.int32),
    )


def test_perfect_answers_score_one() -> None:
    truth = [_truth((BOX, 0, False), (OTHER, 2, False))] * 2
    scored = evaluate(truth, [_answer((BOX, 0, 0.9), (OTHER, 2, 0.8))] * 2)
    assert scored.map == pytest.approx(1)
    assert scored.map50 == pytest.approx(1)
    assert scored.num_frames == 2
    assert scored.num_objects == 4


def test_a_frame_without_answer_counts_as_empty() -> None:
    truth = [_truth((BOX, 0, False))] * 2
    with_none = evaluate(truth, [_answer((BOX, 0, 0.9)), None])
    with_empty = evaluate(truth, [_answer((BOX, 0, 0.9)), Detections.empty()])
    # Recall ends at a half: 51 of COCO's 101 recall points are reached, at precision one.
    assert with_none.map50 == pytest.approx(51 / 101)
    assert with_none == with_empty


def test_no_answers_at_all_score_nothing() -> None:
    scored = evaluate([_truth((BOX, 0, False))], [None])
    assert scored.map == 0
    assert scored.map50 == 0


def test_a_box_a_bit_off_counts_at_the_lower_thresholds_only() -> None:
    # Four fifths of the box: IoU .8, so right at .5 .55 .6 .65 .7 .75, and .8 lies on the edge.
    narrow = (0.1, 0.1, 0.18 - 1e-4, 0.3)
    scored = evaluate([_truth((BOX, 0, False))], [_answer((narrow, 0, 0.9))])
    assert scored.map50 == pytest.approx(1)
    assert scored.map == pytest.approx(0.6)


def test_the_wrong_class_is_a_miss() -> None:
    truth = [_truth((BOX, 0, False), (OTHER, 1, False))]
    scored = evaluate(truth, [_answer((BOX, 1, 0.9), (OTHER, 1, 0.8))])
    # Class 0 is never found; class 1 has a better-scored false answer before its right one.
    assert scored.map50 == pytest.approx(0.25)


def test_what_is_not_asked_for_counts_neither_found_nor_missed() -> None:
    truth = [_truth((BOX, 0, False), (OTHER, 0, True))]
    found = evaluate(truth, [_answer((OTHER, 0, 0.95), (BOX, 0, 0.9))])
    missed = evaluate(truth, [_answer((BOX, 0, 0.9))])
    assert found.map == missed.map == pytest.approx(1)
    assert found.num_objects == 1


def test_sizes_are_told_apart_in_the_reference_frame() -> None:
    small = (0.1, 0.1, 0.1 + 20 / 1280, 0.1 + 20 / 720)
    medium = (0.3, 0.3, 0.3 + 60 / 1280, 0.3 + 60 / 720)
    truth = [_truth((small, 0, False), (medium, 0, False))]
    scored = evaluate(truth, [_answer((medium, 0, 0.9))])
    assert scored.map_small == 0
    assert scored.map_medium == pytest.approx(1)
    assert scored.map_large is None


def test_series_of_unlike_length_are_refused() -> None:
    with pytest.raises(ValueError, match="detections holds 0 frames"):
        evaluate([_truth((BOX, 0, False))], [])


def test_a_truth_without_objects_is_refused() -> None:
    with pytest.raises(ValueError, match="no object in 1 frames"):
        evaluate([_truth((BOX, 0, True))], [None])


def test_drawn_vehicles_are_scored_by_the_class_ids_of_any_zoo() -> None:
    drawn = _truth((BOX, TRAFFIC_CLASSES.index("car"), False), (OTHER, 1, True))
    truth = in_classes(drawn, COCO_CLASSES)
    car = COCO_CLASSES.index("car")
    assert truth.class_ids.tolist() == [car, COCO_CLASSES.index("bus")]
    assert truth.is_ignored.tolist() == [False, True]
    assert evaluate_detections([truth], [_answer((BOX, car, 0.9))], COCO_CLASSES).map == 1
    alone = in_classes(drawn, ("person", "bus"))
    assert alone.class_ids.tolist() == [1]
    np.testing.assert_array_equal(alone.boxes, np.array([OTHER], np.float32))
    assert len(in_classes(drawn, ("cat",)).boxes) == 0
