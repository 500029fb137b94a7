from __future__ import annotations

import numpy as np
import pytest

from moonjelly.core.answers import Detections


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
