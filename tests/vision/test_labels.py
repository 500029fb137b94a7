"""A classifier's outputs become its likeliest classes, and are scored."""

from __future__ import annotations

import numpy as np
import pytest

from moonjelly.core.answers import MAX_LABELS, Labels
from moonjelly.vision.accuracy import FrameTruth, evaluate_labels
from moonjelly.vision.postprocessing import BrokenOutput, select_labels


def labels_of(*class_ids: int) -> Labels:
    scores = np.linspace(1, 0.5, len(class_ids), dtype=np.float32)
    return Labels(np.array(class_ids, np.int32), scores)


def truth_of(*class_ids: int, ignored: tuple[bool, ...] = ()) -> FrameTruth:
    boxes = np.tile(np.array([[0, 0, 1, 1]], np.float32), (len(class_ids), 1))
    flags = np.array(ignored or (False,) * len(class_ids), np.bool_)
    return FrameTruth(boxes, np.array(class_ids, np.int32), flags)


def test_the_likeliest_come_first_and_five_at_most() -> None:
    logits = np.array([[0, 3, 1, 2, -1, -2, -3], [500, -500, 0, 0, 0, 0, 499]], np.float32)
    first, second = select_labels(logits)
    assert first.class_ids.tolist() == [1, 3, 2, 0, 4]
    expected = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert first.scores == pytest.approx(expected[first.class_ids])
    assert second.class_ids[:2].tolist() == [0, 6]
    assert len(second) == MAX_LABELS
    (few,) = select_labels(np.array([[1, 2]], np.float32))
    assert few.class_ids.tolist() == [1, 0]


def test_probabilities_stay_as_they_are_beside_logits() -> None:
    outputs = np.array([[0.1, 0.7, 0.2], [1.0, 7.0, 2.0]], np.float32)
    shares, logits = select_labels(outputs)
    assert shares.scores == pytest.approx([0.7, 0.2, 0.1])
    assert logits.scores[0] == pytest.approx(1 / (1 + np.exp(-5) + np.exp(-6)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_none_is_an_error(bad: float) -> None:
    with pytest.raises(BrokenOutput, match="1 of 4 scores"):
        select_labels(np.array([[0, bad], [1, 1]], np.float32))


def test_of_answered_frames_those_count_whose_best_label_is_right() -> None:
    truth = [truth_of(2), truth_of(2), truth_of(0, 1), truth_of(1), truth_of(3)]
    labels = [labels_of(2, 0), labels_of(0, 2), labels_of(1), None, labels_of()]
    found = evaluate_labels(truth, labels)
    assert found is not None
    assert (found.top1, found.num_frames) == (pytest.approx(2 / 3), 3)


def test_what_is_not_asked_for_is_not_right() -> None:
    truth = [truth_of(0, 1, ignored=(True, False))] * 2
    found = evaluate_labels(truth, [labels_of(0), labels_of(1)])
    assert found is not None
    assert found.top1 == 0.5


def test_without_an_answer_there_is_no_accuracy() -> None:
    assert evaluate_labels([truth_of(0)], [None]) is None
    with pytest.raises(ValueError, match="zip"):
        evaluate_labels([truth_of(0)], [])
