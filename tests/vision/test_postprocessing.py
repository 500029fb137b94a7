from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moonjelly.vision import postprocessing
from moonjelly.vision.postprocessing import (
    MAX_CANDIDATES,
    MAX_DETECTIONS,
    BrokenOutput,
    box_ious,
    select_detections,
    suppress,
)

ROUNDING = 1e-4  # of an overlap of float32 boxes


def greedy(boxes, scores, class_ids, max_iou):
    """The definition, box by box."""
    overlap = box_ious(boxes, boxes)
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        if not any(class_ids[i] == class_ids[j] and overlap[i, j] > max_iou for j in kept):
            kept.append(int(i))
    return kept


@st.composite
def candidates(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.one_of(st.integers(0, 40), st.just(300)))  # more than are looked at together
    unit = st.floats(0, 1, width=32)
    corners = draw(hnp.arrays(np.float32, (n, 2, 2), elements=unit, fill=unit))
    boxes = np.concatenate((corners.min(axis=1), corners.max(axis=1)), axis=1)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1e-4)  # every box has an area
    scores = draw(hnp.arrays(np.float32, n, elements=unit))
    class_ids = draw(hnp.arrays(np.int32, n, elements=st.integers(0, 3)))
    return boxes.astype(np.float32), scores, class_ids


@given(candidates(), st.floats(0.05, 0.95))
def test_kept_boxes_of_a_class_do_not_overlap_and_dropped_ones_do(
    given_boxes: tuple[np.ndarray, np.ndarray, np.ndarray], max_iou: float
) -> None:
    boxes, scores, class_ids = given_boxes
    kept = suppress(boxes, scores, class_ids, max_iou)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(scores[kept]) <= 0).all()
    overlap = box_ious(boxes, boxes)
    for position, i in enumerate(kept):
        for j in kept[:position]:
            assert class_ids[i] != class_ids[j] or overlap[i, j] <= max_iou + ROUNDING
    for i in set(range(len(boxes))) - set(kept.tolist()):
        covers = overlap[i] > max_iou - ROUNDING
        better = [j for j in kept if class_ids[j] == class_ids[i] and covers[j]]
        assert any(scores[j] >= scores[i] for j in better)


@given(candidates())
def test_suppressing_twice_changes_nothing(
    given_boxes: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    boxes, scores, class_ids = given_boxes
    kept = suppress(boxes, scores, class_ids, 0.5)
    again = suppress(boxes[kept], scores[kept], class_ids[kept], 0.5)
    assert again.tolist() == list(range(len(kept)))


@pytest.mark.parametrize("num_boxes", [1, 10, 127, 128, 129, 400, 1000])
@pytest.mark.parametrize("num_objects", [3, 40, 1000])
def test_it_keeps_what_the_definition_says(num_boxes: int, num_objects: int) -> None:
    rng = np.random.default_rng(num_boxes + num_objects)
    middles = rng.random((num_objects, 2))[rng.integers(0, num_objects, num_boxes)]
    middles += rng.normal(0, 0.01, middles.shape)
    half = rng.uniform(0.01, 0.05, middles.shape)
    boxes = np.concatenate((middles - half, middles + half), axis=1).astype(np.float32)
    scores = rng.random(num_boxes).round(2).astype(np.float32)  # some are equal
    class_ids = rng.integers(0, 3, num_boxes).astype(np.int32)
    right = greedy(boxes, scores, class_ids, 0.6)
    assert suppress(boxes, scores, class_ids, 0.6).tolist() == right
    assert suppress(boxes, scores, class_ids, 0.6, 20).tolist() == right[:20]


def test_boxes_outside_the_frame_are_no_detections() -> None:
    boxes = np.array([[1.1, 0.1, 1.4, 0.5], [0.1, -0.4, 0.2, -0.1], [0.1, 0.1, 0.2, 0.2]])
    found = select_detections(boxes.astype(np.float32), np.full((3, 1), 0.9, np.float32))
    np.testing.assert_allclose(found.boxes, [[0.1, 0.1, 0.2, 0.2]])


def test_only_the_surest_candidates_are_looked_at(monkeypatch) -> None:
    looked_at: list[int] = []
    monkeypatch.setattr(
        postprocessing,
        "suppress",
        lambda boxes, *rest: looked_at.append(len(boxes)) or suppress(boxes, *rest),
    )
    rng = np.random.default_rng(0)
    corners = rng.random((5000, 2), np.float32) * 0.9
    boxes = np.concatenate((corners, corners + 0.05), axis=1).astype(np.float32)
    select_detections(boxes, rng.uniform(0.1, 1, (5000, 4)).astype(np.float32))
    assert looked_at == [MAX_CANDIDATES]


def test_equal_scores_keep_their_order() -> None:
    boxes = np.array([[0, 0, 0.1, 0.1], [0.5, 0.5, 0.6, 0.6]] * 2, np.float32)
    kept = suppress(boxes, np.full(4, 0.5, np.float32), np.zeros(4, np.int32), 0.5)
    assert kept.tolist() == [0, 1]


def test_the_overlap_of_known_boxes_is_known() -> None:
    a = np.array([[0, 0, 2, 2], [0, 0, 0, 0]], np.float32)
    b = np.array([[1, 1, 3, 3], [0, 0, 2, 2]], np.float32)
    np.testing.assert_allclose(box_ious(a, b), [[1 / 7, 1], [0, 0]])


def test_unsure_cells_are_left_out_and_boxes_cut_to_the_frame() -> None:
    boxes = np.array([[-0.5, 0.1, 0.4, 1.5], [0.6, 0.6, 0.7, 0.7]], np.float32)
    scores = np.array([[0.9, 0.0], [0.04, 0.01]], np.float32)
    found = select_detections(boxes, scores)
    np.testing.assert_allclose(found.boxes, [[0, 0.1, 0.4, 1]])
    assert found.class_ids.tolist() == [0]


def test_one_cell_may_answer_for_two_classes() -> None:
    boxes = np.array([[0.1, 0.1, 0.4, 0.5]], np.float32)
    found = select_detections(boxes, np.array([[0.9, 0.8]], np.float32))
    assert found.class_ids.tolist() == [0, 1]


def test_no_more_than_a_hundred_are_kept() -> None:
    rng = np.random.default_rng(0)
    corners = rng.random((3000, 2), np.float32) * 0.9
    boxes = np.concatenate((corners, corners + 0.001), axis=1).astype(np.float32)
    scores = rng.uniform(0.1, 1, (3000, 4)).astype(np.float32)
    found = select_detections(boxes, scores)
    assert len(found) == MAX_DETECTIONS
    assert found.scores[0] == scores.max()


def test_numbers_that_are_none_raise_one_error() -> None:
    nothing = np.full((5, 4), np.nan, np.float32)
    good = np.full((5, 4), 0.5, np.float32)
    with pytest.raises(BrokenOutput, match="20 of 20 scores"):
        select_detections(good, nothing)
    with pytest.raises(BrokenOutput, match="box corners"):
        select_detections(nothing, good)


def test_an_output_without_anything_gives_an_empty_answer() -> None:
    found = select_detections(np.zeros((7, 4), np.float32), np.zeros((7, 4), np.float32))
    assert len(found) == 0
