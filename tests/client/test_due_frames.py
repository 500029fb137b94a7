from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.client.due_frames import SILENT_AFTER_MS, DueFrames, LiveFrames

rates = st.floats(0.2, 120.0)


def play(due, times, delay_ms=0.0):
    """Gives pictures of those times to a stream; returns its frames as (number, captured)."""
    live = LiveFrames(due, due.start_ms)
    frames = []
    for captured_ms in times:
        number = live.take(captured_ms, captured_ms + delay_ms)
        if number is not None:
            frames.append((number, captured_ms))
    return frames


@given(
    fps=rates, start_ms=st.floats(-1e6, 1e9), now_ms=st.floats(0, 1e5), number=st.integers(0, 500)
)
def test_reading_goes_on_with_the_newest_frame_that_is_due_or_the_next(
    fps, start_ms, now_ms, number
):
    due = DueFrames(fps, start_ms)
    missed = due.missed(number, start_ms + now_ms)
    assert missed.start == number + 1
    following = missed.stop
    newest = due.num_due(start_ms + now_ms) - 1
    assert following == max(number + 1, newest)


@given(
    fps=rates, camera_fps=rates, jitter=st.lists(st.floats(-0.2, 0.2), min_size=200, max_size=200)
)
def test_a_stream_gets_its_rate_or_the_cameras_whichever_is_less(fps, camera_fps, jitter):
    interval_ms = 1000 / camera_fps
    times = [(k + 1 + shift) * interval_ms for k, shift in enumerate(jitter)]
    frames = play(DueFrames(fps, 0.0), times)
    numbers = [number for number, _ in frames]
    assert numbers == sorted(set(numbers))
    span_ms = times[-1] - times[0]
    wanted = min(fps, camera_fps) * span_ms / 1000
    if camera_fps <= fps:  # jitter alone loses none: it may at most be that two are too close
        assert len(frames) >= len(times) * (1.0 if interval_ms >= 2.5 * 1000 / fps else 0.85) - 2
    assert wanted * 0.85 - 2 <= len(frames) <= fps * span_ms / 1000 + 2


@given(fps=rates, camera_fps=rates, phase=st.floats(0, 1))
def test_a_frame_is_captured_within_a_period_of_when_it_is_due(fps, camera_fps, phase):
    due = DueFrames(fps, 0.0)
    times = [(k + phase) * 1000 / camera_fps for k in range(300)]
    for number, captured_ms in play(due, times):
        assert abs(captured_ms - due.due_ms(number)) <= due.period_ms * 1.001


@given(fps=rates, gaps=st.lists(st.floats(1, 20_000), max_size=60), is_lost=st.booleans())
def test_every_frame_is_given_a_picture_owed_or_left_out_and_none_twice(fps, gaps, is_lost):
    due = DueFrames(fps, 100.0, 50)
    live = LiveFrames(due, 100.0)
    numbers = []
    for now_ms in itertools.accumulate(gaps, initial=100.0):
        numbers += live.owed(now_ms, is_lost)
        if live.is_over(now_ms):
            break
        number = live.take(now_ms, now_ms)
        if number is not None:
            numbers.append(number)
    assert numbers == sorted(set(numbers))
    assert all(0 <= number < 50 for number in numbers)


def test_a_silent_source_owes_what_was_due_and_no_more():
    live = LiveFrames(DueFrames(10, 0.0), 0.0)
    assert live.take(0.0, 1.0) == 0
    assert live.wake_ms() == 1.0 + SILENT_AFTER_MS
    assert not live.owed(900.0, is_lost=False)
    assert live.owed(1002.0, is_lost=False) == range(1, 11)
    assert live.wake_ms() == 1100.0
    assert live.owed(1100.0, is_lost=False) == range(11, 12)
    assert live.take(450.0, 1110.0) is None, "that frame has its verdict"
    assert live.take(1180.0, 1190.0) == 12


def test_a_source_that_says_that_it_is_lost_owes_at_once():
    live = LiveFrames(DueFrames(10, 0.0), 0.0)
    assert live.owed(250.0, is_lost=True) == range(3)
    assert not live.owed(299.0, is_lost=True)


def test_a_slow_source_owes_nothing_once_its_pace_is_known():
    live = LiveFrames(DueFrames(10, 0.0), 0.0)
    owed = []
    for k in range(1, 20):
        owed += live.owed(k * 3000.0, is_lost=False)
        live.take(k * 3000.0, k * 3000.0)
    assert max(owed, default=0) < 70, "only until its pace is known"


def test_pictures_from_before_the_stream_are_no_frames():
    live = LiveFrames(DueFrames(10, 1000.0), 1000.0)
    assert live.take(990.0, 1001.0) is None
    assert live.take(1020.0, 1025.0) == 0


def test_a_stream_is_over_when_its_last_period_is():
    due = DueFrames(10, 0.0, 5)
    live = LiveFrames(due, 0.0)
    assert due.end_ms == 500.0
    assert live.take(480.0, 481.0) is None, "it would be the sixth"
    assert not live.is_over(499.0)
    assert live.is_over(500.0)
    assert DueFrames(10, 0.0).end_ms == math.inf
