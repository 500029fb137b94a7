from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.adapting.policies.odds import FIRST_RATIOS, GRACE_MS, MAX_FRAMES, ArrivalOdds


def test_before_anything_is_known_half_the_rate_is_seldom():
    odds = ArrivalOdds()
    assert odds.within_ratio(50.0, 49.0) == 0.0
    assert odds.within_ratio(50.0, 50.0) == pytest.approx(16 / 20)
    assert odds.within_ratio(50.0, 99.0) == pytest.approx(19 / 20)
    assert odds.within_ratio(50.0, 102.0) == 1.0


def test_the_share_is_that_of_the_recent_frames():
    odds = ArrivalOdds()
    for k in range(MAX_FRAMES):
        slow = 10 if k % 10 == 0 else 0
        odds.add(20.0, 20.0 + slow * 2)
    assert odds.within_ratio(40.0, 40.0) == pytest.approx(0.9)
    assert odds.within_ratio(40.0, 80.0 + GRACE_MS) == 1.0
    for _ in range(MAX_FRAMES):
        odds.add(20.0, 20.0)
    assert odds.within_ratio(40.0, 40.0) == 1.0, "what is long ago is forgotten"


def test_no_time_left_is_never_enough():
    assert ArrivalOdds().within_ratio(0.0, -0.1) == 0.0


@given(
    frames=st.lists(st.tuples(st.floats(0, 500), st.floats(0, 5000)), max_size=400),
    predicted_ms=st.floats(0, 500),
    times_ms=st.tuples(st.floats(-10, 5000), st.floats(-10, 5000)),
)
def test_more_time_never_lowers_the_odds(frames, predicted_ms, times_ms):
    odds = ArrivalOdds()
    for predicted, actual in frames:
        odds.add(predicted, actual)
    less, more = sorted(times_ms)
    assert 0 <= odds.within_ratio(predicted_ms, less) <= odds.within_ratio(predicted_ms, more) <= 1


def test_each_of_the_times_that_there_may_be_counts_the_same():
    odds = ArrivalOdds()
    assert odds.within_ratio(50.0, 102.0, [0.0, 3.0, 53.0, 103.0]) == pytest.approx(
        (0 + 0 + 19 / 20 + 1) / 4
    )


def test_the_first_guess_fades_frame_by_frame():
    odds = ArrivalOdds()
    for _ in range(MAX_FRAMES - len(FIRST_RATIOS)):
        odds.add(10.0, 10.0)
    assert odds.within_ratio(10.0, 10.0) < 1.0
    for _ in range(len(FIRST_RATIOS)):
        odds.add(10.0, 10.0)
    assert odds.within_ratio(10.0, 10.0) == 1.0


def test_a_frame_displaces_those_that_wait_when_newer_ones_come():
    odds = ArrivalOdds()
    for k in range(MAX_FRAMES):
        odds.add(38.0, 38.0 if k % 10 else 98.0)  # 2 ms of grace: a tenth takes 2.5 times as long
    # Captured 40, 80, 120 ms after this one: the first waits and is displaced at 80, the second at 120.
    assert odds.displaced(38.0, 40.0, 40.0) == pytest.approx(0.1)
    assert odds.displaced(48.0, 40.0, 40.0) == pytest.approx(0.1 * 2)
    assert odds.displaced(85.0, 40.0, 40.0) == pytest.approx(0.9 + 0.1 * 4), "at most four"
    assert odds.displaced(38.0, -5.0, 40.0) == pytest.approx(0.9 + 0.1 * 2), "it is old already"
    assert odds.displaced(15.0, 40.0, 40.0) == 0.0


@given(
    frames=st.lists(st.tuples(st.floats(0, 500), st.floats(0, 5000)), max_size=50),
    sizes_ms=st.tuples(st.floats(0, 500), st.floats(0, 500)),
    rates_fps=st.tuples(st.floats(1, 120), st.floats(1, 120)),
    age_ms=st.floats(0, 100),
)
def test_more_bits_or_a_higher_rate_never_displace_fewer_frames(
    frames, sizes_ms, rates_fps, age_ms
):
    odds = ArrivalOdds()
    for predicted, actual in frames:
        odds.add(predicted, actual)
    (small, large), (slow, fast) = sorted(sizes_ms), sorted(rates_fps)

    def displaced(sending_ms, fps):
        return odds.displaced(sending_ms, 1000 / fps - age_ms, 1000 / fps)

    assert 0 <= displaced(small, slow) <= displaced(large, slow) <= displaced(large, fast)
