from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.client.sources.camera_clock import MAX_DRIFT_RATIO, CameraClock

INTERVAL_MS = 1000 / 30
delays = st.lists(st.floats(0, 500), min_size=1, max_size=300)


def play(delays_ms, ratio=1.0, interval_ms=INTERVAL_MS, zero_ms=123_456.0):
    """Pictures of a camera whose clock runs at a ratio of ours; yields (captured, arrived, read as captured)."""
    clock = CameraClock()
    arrived_ms = 0.0
    for k, delay_ms in enumerate(delays_ms):
        true_ms = 5000.0 + k * interval_ms
        arrived_ms = max(arrived_ms, true_ms + delay_ms)
        yield true_ms, arrived_ms, clock.captured_ms(zero_ms + true_ms * ratio, arrived_ms)


@given(delays_ms=delays, ratio=st.floats(0.9, 1.1))
def test_no_picture_is_captured_after_it_came_or_before_the_one_before_it(delays_ms, ratio):
    rows = list(play(delays_ms, ratio))
    assert all(read_ms <= arrived_ms + 1e-6 for _, arrived_ms, read_ms in rows)
    assert all(a[2] <= b[2] + 1e-6 for a, b in itertools.pairwise(rows))


@given(delays_ms=delays)
def test_what_comes_late_was_captured_when_the_camera_says(delays_ms):
    quickest_ms = math.inf
    for true_ms, arrived_ms, read_ms in play(delays_ms):
        quickest_ms = min(quickest_ms, arrived_ms - true_ms)
        error_ms = read_ms - true_ms - quickest_ms
        assert -1e-6 <= error_ms <= MAX_DRIFT_RATIO * arrived_ms + 1e-6


def test_pictures_that_pile_up_for_a_minute_stay_late():
    *_, (true_ms, arrived_ms, read_ms) = play([10.0 + k for k in range(1800)])
    assert arrived_ms - true_ms > 1800
    assert read_ms - true_ms < 10 + 60_000 * MAX_DRIFT_RATIO + 1


@pytest.mark.parametrize("ratio", [1.0009, 1.0001, 1.0, 0.9999, 0.9991])
def test_a_clock_that_is_off_is_followed(ratio):
    delays_ms = [5.0 + 20.0 * (k % 7 != 0) for k in range(30 * 600)]
    rows = list(play(delays_ms, ratio))
    assert max(abs(read_ms - true_ms - 5.0) for true_ms, _, read_ms in rows[30:]) < 25


def test_a_camera_without_times_captures_on_arrival():
    clock = CameraClock()
    assert [clock.captured_ms(None, 10.0 * k) for k in range(3)] == [0.0, 10.0, 20.0]
    assert clock.is_settled


def test_a_clock_that_is_set_back_is_read_anew():
    clock = CameraClock()
    clock.captured_ms(1000.0, 5000.0)
    assert clock.captured_ms(0.0, 5040.0) == 5040.0
    assert clock.captured_ms(33.0, 5090.0) == pytest.approx(5073.0)


def test_it_is_settled_once_the_backlog_is_worked_off():
    clock = CameraClock()
    states = []
    for k in range(40):
        clock.captured_ms(33.0 * k, 1000.0 + max(5.0 * k, 33.0 * k - 560.0))
        states.append(clock.is_settled)
    assert states == [False] * 21 + [True] * 19, "the camera has caught up at the twentieth"


def test_a_camera_whose_times_run_away_settles_all_the_same():
    clock = CameraClock()
    for k in range(100):
        clock.captured_ms(40.0 * k, 33.0 * k)
    assert clock.is_settled
