from __future__ import annotations

import numpy as np
import pytest

from moonjelly.core.answers import Detections
from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.reporting.scores import Scores, score_answers
from moonjelly.reporting.summary import TOTAL
from moonjelly.vision.accuracy import FrameTruth

BOX = (0.1, 0.1, 0.4, 0.4)
CAR, BUS = 0, 1
NAMES = ("car", "bus")


def one_box(class_id: int = CAR) -> Detections:
    return Detections(
        np.array([BOX], np.float32), np.ones(1, np.float32), np.array([class_id], np.int32)
    )


TRUTH = FrameTruth(np.array([BOX], np.float32), np.zeros(1, np.int32), np.zeros(1, np.bool_))
NOTHING = FrameTruth(np.empty((0, 4), np.float32), np.empty(0, np.int32), np.empty(0, np.bool_))


def score(
    frames: dict[str, list[FrameRecord]], answers: dict[tuple[str, int], Detections]
) -> dict[str, Scores]:
    keys = [(name, row.sequence) for name, rows in frames.items() for row in rows]
    return score_answers(
        frames,
        dict.fromkeys(frames, 100.0),
        {key: NOTHING if key[0] == "empty" else TRUTH for key in keys},
        dict.fromkeys(keys, one_box()),
        answers,
        NAMES,
    )


def test_a_street_that_stands_still_is_seen_well_by_who_keeps_the_last_answer() -> None:
    verdicts = [Verdict.IN_TIME, Verdict.DROPPED, Verdict.LATE, Verdict.IN_TIME]
    frames = [
        FrameRecord("gate", k, 100.0 * k, verdict, latency_ms=50.0)
        for k, verdict in enumerate(verdicts)
    ]
    answers = {("gate", 0): one_box(), ("gate", 2): one_box(), ("gate", 3): one_box(BUS)}
    scored = score({"gate": frames}, answers)
    assert scored["gate"] == scored[TOTAL]
    one = scored["gate"]
    assert one.golden_f1 == pytest.approx(2 * 2 / (2 * 2 + 2))  # two found, two not
    assert one.golden_f1_detected == 1.0  # late and dropped frames are left out
    assert one.matched_f1 == pytest.approx(2 / (2 + 1 + 3))  # a car taken for a bus is no car
    assert one.viewed_map50 == pytest.approx(76 / 101)  # 3 of 4 cars: recall 0.75


def test_streams_are_pooled_frame_by_frame() -> None:
    frames = {
        "gate": [FrameRecord("gate", k, 100.0 * k, Verdict.IN_TIME) for k in range(3)],
        "square": [FrameRecord("square", 0, 0.0, Verdict.DROPPED)],
    }
    scored = score(frames, {("gate", k): one_box() for k in range(3)})
    assert scored["gate"].golden_f1 == 1.0
    assert scored["square"].golden_f1 == 0.0
    assert scored["square"].golden_f1_detected is None  # no frame was detected
    assert scored["square"].viewed_map == 0.0
    assert scored[TOTAL].golden_f1 == pytest.approx(6 / 7)


def test_what_cannot_be_said_is_none() -> None:
    empty = score({"empty": [FrameRecord("empty", 0, 0.0, Verdict.IN_TIME)]}, {})["empty"]
    assert empty.viewed_map is None  # nothing was to be seen
    assert empty.golden_f1 == 0.0
    assert score({"refused": []}, {})["refused"] == Scores()
