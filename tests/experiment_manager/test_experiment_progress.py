from __future__ import annotations

import pytest

from moonjelly.experiment_manager.progress import TimeLeft, duration


def test_time_left_is_guessed_at_first_and_then_follows_the_runs() -> None:
    left = TimeLeft(4, 10.0)
    assert left.seconds(0.0) == 40.0
    left.begin(100.0)
    assert left.seconds(104.0) == 36.0
    assert left.seconds(150.0) == 30.0  # a run that takes longer never makes the rest negative
    assert left.end(120.0) == 20.0
    assert left.seconds(120.0) == 60.0
    left.begin(121.0)
    left.end(161.0)
    assert left.seconds(161.0) == 60.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (45, "45 s"), (720, "12 min"), (12600, "3.5 h")]
)
def test_durations_are_written_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text
