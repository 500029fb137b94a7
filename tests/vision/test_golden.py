from __future__ import annotations

import pytest

from moonjelly.vision.accuracy import evaluate_detections, truth_of
from moonjelly.vision.golden import golden_detections
from moonjelly.vision.scenes import Scene


def test_a_zoo_that_is_not_known_has_no_golden_detections() -> None:
    with pytest.raises(ValueError, match="zoo is 'aquarium'"):
        golden_detections("aquarium", [])


def test_golden_detections_find_most_of_what_is_drawn() -> None:
    frames = [Scene(3).frame(number) for number in (0, 30)]
    found = golden_detections("traffic", [frame.image for frame in frames])
    scored = evaluate_detections([truth_of(frame) for frame in frames], found)
    assert scored.num_frames == 2
    assert scored.map50 > 0.8
