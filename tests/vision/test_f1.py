from __future__ import annotations

import numpy as np
import pytest

from moonjelly.core.answers import Detections
from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.vision.f1 import (
    F1Counts,
    inclusive_ious,
    is_detected,
    matched_counts,
    overlap_counts,
)

SIZE_PX = (100, 100)
CAR, BUS = 0, 1


def found(*rows: tuple[tuple[int, int, int, int], float, int]) -> Detections:
    """Boxes in px of a picture of 100 by 100, each with score and class."""
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4) / 100,
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int32),
    )


def overlap(golden: Detections, answer: Detections | None) -> F1Counts:
    return overlap_counts(golden, answer, TRAFFIC_CLASSES, SIZE_PX)


def test_counts_add_up_to_one_f1() -> None:
    counts = F1Counts(3, 1, 0) + F1Counts(0, 0, 2)
    assert counts == F1Counts(3, 1, 2)
    assert counts.f1 == pytest.approx(6 / 9)
    assert F1Counts().f1 is None


def test_pixels_are_inclusive() -> None:
    # 10 x 10 px each, 5 of 10 columns in common: 50 / 150. Without the last pixel it were 4 / 14.
    a = np.array([[0.0, 0, 9, 9]])
    b = np.array([[5.0, 0, 14, 9], [9, 9, 18, 18], [10, 0, 19, 9]])
    assert inclusive_ious(a, b)[0] == pytest.approx([50 / 150, 1 / 199, 0])


def test_half_an_overlap_in_inclusive_pixels_is_a_match() -> None:
    # 9 of 9 columns against 18: 0.5 exactly; continuous boxes would give 8 / 17.
    golden = found(((0, 0, 17, 9), 0.9, CAR))
    assert overlap(golden, found(((0, 0, 8, 9), 0.9, CAR))) == F1Counts(1, 0, 0)
    assert overlap(golden, found(((0, 0, 7, 9), 0.9, CAR))) == F1Counts(0, 1, 1)


def test_overlap_compares_no_class_and_uses_no_box_up() -> None:
    golden = found(((0, 0, 19, 19), 0.9, CAR), ((60, 60, 79, 79), 0.9, CAR))
    answer = found(
        ((0, 0, 19, 19), 0.9, BUS), ((0, 0, 18, 19), 0.8, CAR), ((30, 0, 49, 19), 0.7, CAR)
    )
    assert overlap(golden, answer) == F1Counts(2, 1, 1)  # F1 4 / 6
    assert matched_counts(golden, answer) == F1Counts(1, 2, 1)  # F1 2 / 5


def test_boxes_below_the_score_are_left_out_on_both_sides() -> None:
    golden = found(((0, 0, 19, 19), 0.2, CAR), ((60, 60, 79, 79), 0.19, CAR))
    answer = found(((0, 0, 19, 19), 0.2, CAR), ((30, 0, 49, 19), 0.19, CAR))
    assert overlap(golden, answer) == F1Counts(1, 0, 0)
    assert matched_counts(golden, answer) == F1Counts(1, 0, 0)


def test_only_vehicles_are_compared_by_overlap() -> None:
    golden = found(((0, 0, 19, 19), 0.9, 1))
    answer = found(((0, 0, 19, 19), 0.9, 0))
    assert overlap_counts(golden, answer, ("person", "car"), SIZE_PX) == F1Counts(0, 0, 1)


def test_without_a_class_of_vehicles_all_are_compared_by_overlap() -> None:
    golden = found(((0, 0, 19, 19), 0.9, 1))
    answer = found(((0, 0, 19, 19), 0.9, 0))
    assert overlap_counts(golden, answer, ("person", "cat"), SIZE_PX) == F1Counts(1, 0, 0)


@pytest.mark.parametrize("answer", [None, Detections.empty()])
def test_no_answer_is_an_empty_one(answer: Detections | None) -> None:
    golden = found(((0, 0, 19, 19), 0.9, CAR), ((60, 60, 79, 79), 0.9, BUS))
    assert overlap(golden, answer) == matched_counts(golden, answer) == F1Counts(0, 0, 2)
    assert overlap(Detections.empty(), answer) == F1Counts()
    assert not is_detected(answer)


def test_a_frame_is_detected_if_one_box_is_sure_enough() -> None:
    assert is_detected(found(((0, 0, 9, 9), 0.2, CAR)))
    assert not is_detected(found(((0, 0, 9, 9), 0.19, CAR)))


def test_the_surer_box_chooses_first_and_another_takes_what_is_left() -> None:
    golden = found(((0, 0, 20, 20), 0.9, CAR), ((4, 0, 24, 20), 0.9, CAR))
    answer = found(((3, 0, 23, 20), 0.6, CAR), ((4, 0, 24, 20), 0.8, CAR))
    assert matched_counts(golden, answer) == F1Counts(2, 0, 0)
    third = found(
        ((3, 0, 23, 20), 0.6, CAR), ((4, 0, 24, 20), 0.8, CAR), ((1, 0, 21, 20), 0.5, CAR)
    )
    assert matched_counts(golden, third) == F1Counts(2, 1, 0)
