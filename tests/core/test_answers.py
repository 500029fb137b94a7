from __future__ import annotations

import numpy as np
import pytest

from moonjelly.core.answers import MAX_LABELS, Detections, Labels


def test_an_empty_answer_has_arrays_of_the_right_shape() -> None:
    empty = Detections.empty()
    assert len(empty) == 0
    assert empty.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("boxes", np.zeros((2, 4), np.float64)),
        ("boxes", np.zeros((3, 4), np.float32)),
        ("class_ids", np.zeros(2, np.int64)),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(field: str, value: np.ndarray) -> None:
    arrays = {
        "boxes": np.zeros((2, 4), np.float32),
        "scores": np.zeros(2, np.float32),
        "class_ids": np.zeros(2, np.int32),
    }
    with pytest.raises(ValueError, match=f"{field} is"):
        Detections(**{**arrays, field: value})


@pytest.mark.parametrize(
    ("class_ids", "scores", "complaint"),
    [
        (np.zeros(2, np.int64), np.zeros(2, np.float32), "class_ids is int64"),
        (np.zeros(1, np.int32), np.zeros(2, np.float32), "class_ids is int32"),
        (np.zeros(2, np.int32), np.zeros(2, np.float64), "scores is float64"),
        (np.zeros(6, np.int32), np.zeros(6, np.float32), f"at most {MAX_LABELS}"),
    ],
)
def test_labels_that_do_not_belong_together_are_refused(
    class_ids: np.ndarray, scores: np.ndarray, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Labels(class_ids, scores)
