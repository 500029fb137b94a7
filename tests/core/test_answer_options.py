"""What is left of an answer is what was asked for, in its own order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.answer_options import AS_THE_ZOO, AnswerOptions, choose
from moonjelly.core.answers import MAX_LABELS, Answer, Detections, Labels

scores_of = st.lists(st.floats(0, 1, width=32), max_size=12).map(
    lambda scores: np.array(sorted(scores, reverse=True), np.float32)
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    scores = draw(scores_of)
    if draw(st.booleans()):
        scores = scores[:MAX_LABELS]
    ids = draw(st.lists(st.integers(0, 4), min_size=len(scores), max_size=len(scores)))
    class_ids = np.array(ids, np.int32)
    if len(scores) <= MAX_LABELS:
        return Labels(class_ids, scores)
    corners = draw(st.integers(0, 2**32 - 1))
    boxes = np.random.default_rng(corners).random((len(scores), 4), np.float32)
    return Detections(boxes, scores, class_ids)


wishes = st.builds(
    AnswerOptions,
    st.floats(0, 1),
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    st.integers(0, 15),
)


def rows(answer: Answer) -> list[tuple[object, ...]]:
    boxes = answer.boxes.tolist() if isinstance(answer, Detections) else [()] * len(answer)
    return list(
        zip(answer.scores.tolist(), answer.class_ids.tolist(), map(tuple, boxes), strict=True)
    )


@given(answers(), wishes)
def test_exactly_what_is_wanted_is_left(answer: Answer, wanted: AnswerOptions) -> None:
    left = choose(answer, wanted)
    assert type(left) is type(answer)
    fitting = [
        row
        for row in rows(answer)
        if row[0] >= np.float32(wanted.min_score)
        and (not wanted.class_ids or row[1] in wanted.class_ids)
    ]
    assert rows(left) == fitting[: wanted.max_boxes or None]


@given(answers(), wishes)
def test_choosing_again_changes_nothing(answer: Answer, wanted: AnswerOptions) -> None:
    once = choose(answer, wanted)
    assert rows(choose(once, wanted)) == rows(once)


@given(answers())
def test_who_asks_for_nothing_gets_all(answer: Answer) -> None:
    assert rows(choose(answer, AS_THE_ZOO)) == rows(answer)
