from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.streams.policing import BadFrameCounter, RatePolicer


@pytest.mark.parametrize("fps", [0.5, 7.0, 30.0, 240.0])
def test_a_stream_that_keeps_its_rate_is_never_policed(fps: float) -> None:
    policer = RatePolicer(fps, 1.2, 0.0)
    assert all(policer.takes(number * 1000.0 / fps) for number in range(500))


def test_a_stall_of_the_link_is_forgiven() -> None:
    policer = RatePolicer(30.0, 1.2, 0.0)
    assert all(policer.takes(number * 1000.0 / 30) for number in range(30))
    assert all(policer.takes(4000.0) for _ in range(30))  # a second's worth at once


def test_a_slow_stream_may_send_a_few_at_once() -> None:
    policer = RatePolicer(1.0, 1.2, 0.0)
    assert [policer.takes(0.0) for _ in range(10)] == [True] * 8 + [False] * 2


@settings(max_examples=50, deadline=None)
@given(st.floats(0.1, 240), st.lists(st.floats(0, 200), min_size=50, max_size=200))
def test_nobody_gets_more_than_rate_and_burst(fps: float, gaps: list[float]) -> None:
    policer = RatePolicer(fps, 1.2, 0.0)
    now_ms, taken = 0.0, 0
    for gap in gaps:
        now_ms += gap
        taken += policer.takes(now_ms)
    assert taken <= 1.2 * fps * now_ms / 1000 + max(8.0, 1.2 * fps) + 1e-6


def test_an_excess_that_goes_on_is_incurable() -> None:
    policer = RatePolicer(10.0, 1.2, 0.0)
    incurable_ms = next(
        at for at in range(0, 20_000, 10) if not policer.takes(at) and policer.is_incurable
    )
    assert 5000 <= incurable_ms <= 6500


def test_an_excess_now_and_then_is_curable() -> None:
    policer = RatePolicer(10.0, 1.2, 0.0)
    for second in range(0, 60, 3):
        for _ in range(40):
            policer.takes(second * 1000.0)
        assert not policer.is_incurable


def test_51_bad_frames_in_10_s_are_too_many() -> None:
    counter = BadFrameCounter()
    assert [counter.add(float(at)) for at in range(51)] == [False] * 50 + [True]


def test_bad_frames_that_are_far_apart_are_never_too_many() -> None:
    counter = BadFrameCounter()
    assert not any(counter.add(at * 250.0) for at in range(500))
