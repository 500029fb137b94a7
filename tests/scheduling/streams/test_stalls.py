from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.streams.policing import RatePolicer
from moonjelly.scheduling.streams.stalls import BACKLOG_MS, STALL_MS, TICK_MS, Backlog, StallWatch

FPS = 15.0
PERIOD_MS = 1000.0 / FPS


def watch_that_stalled(start_ms: float, end_ms: float) -> StallWatch:
    watch = StallWatch(start_ms - TICK_MS)
    watch.tick(start_ms)
    watch.tick(end_ms)
    return watch


def test_ticks_in_time_tell_of_no_stall():
    watch = StallWatch(0.0)
    before = watch.latest
    for number in range(100):
        assert watch.tick(number * (TICK_MS + STALL_MS / 2)) is before


def test_a_stall_is_noticed_by_whoever_looks_first():
    watch = StallWatch(0.0)
    before = watch.tick(50.0)
    watch.look(3100.0)
    stall = watch.latest
    assert stall is not before
    assert (stall.length_ms, stall.end_ms) == (3000.0, 3100.0)
    watch.look(3101.0)
    assert watch.tick(3150.0) is stall


def test_a_pause_in_which_nobody_ticks_is_no_stall():
    watch = StallWatch(0.0)
    before = watch.latest
    watch.restart(60_000.0)
    assert watch.tick(60_050.0) is before


def test_without_a_stall_nothing_waited():
    watch = StallWatch(0.0)
    backlog = Backlog(FPS, 0.0)
    assert [backlog.waited_ms(n, 5.0 + n * 200.0, watch.latest) for n in range(20)] == [0.0] * 20


@pytest.mark.parametrize("stall_ms", [3000.0, 10_000.0])
def test_what_lay_in_buffers_is_as_old_as_it_is_and_what_is_fresh_is_fresh(stall_ms):
    start_ms = 1000.0
    end_ms = start_ms + stall_ms
    watch = watch_that_stalled(start_ms, end_ms)
    backlog, policer = Backlog(FPS, 0.0), RatePolicer(FPS, 1.2, 0.0)
    quiet = StallWatch(0.0).latest
    for number in range(150 + int(stall_ms / PERIOD_MS)):
        sent_ms = number * PERIOD_MS
        is_stalled = start_ms < sent_ms < end_ms
        read_ms = end_ms + 0.1 * (number - start_ms / PERIOD_MS) if is_stalled else sent_ms
        read_ms = max(read_ms, sent_ms)
        waited_ms = backlog.waited_ms(number, read_ms, watch.latest if read_ms >= end_ms else quiet)
        assert waited_ms == pytest.approx(read_ms - sent_ms, abs=TICK_MS + 1)
        assert policer.takes(read_ms - waited_ms)


def test_a_stream_that_sent_nothing_meanwhile_is_not_charged_for_long():
    watch = watch_that_stalled(1000.0, 6000.0)
    backlog = Backlog(FPS, 0.0)
    backlog.waited_ms(0, 990.0, StallWatch(0.0).latest)
    charged = [
        backlog.waited_ms(1 + n, 6010.0 + n * PERIOD_MS, watch.latest)
        > 0  # its numbers stood still
        for n in range(20)
    ]
    assert charged == [True] + [False] * 19


def test_a_stream_that_is_new_since_the_stall_is_not_charged():
    watch = watch_that_stalled(1000.0, 6000.0)
    assert Backlog(FPS, 6005.0).waited_ms(0, 6010.0, watch.latest) == 0.0


@given(
    fps=st.floats(0.1, 240),
    frames=st.lists(st.tuples(st.integers(0, 2**63), st.floats(0, 3000)), max_size=40),
    stall_ms=st.floats(STALL_MS, 20_000),
)
def test_no_frame_waited_longer_than_the_stall_and_arrivals_never_go_back(fps, frames, stall_ms):
    start_ms = 500.0
    watch = watch_that_stalled(start_ms, start_ms + TICK_MS + stall_ms)
    backlog = Backlog(fps, 0.0)
    read_ms, sequence, arrived_ms = 0.0, 0, 0.0
    for step, gap_ms in frames:
        read_ms += gap_ms
        if start_ms < read_ms < watch.latest.end_ms:
            read_ms = watch.latest.end_ms
        stall = watch.latest if read_ms >= watch.latest.end_ms else StallWatch(0.0).latest
        sequence += step + 1
        waited_ms = backlog.waited_ms(sequence, read_ms, stall)
        assert 0.0 <= waited_ms <= stall_ms + TICK_MS
        assert not waited_ms or read_ms <= watch.latest.end_ms + BACKLOG_MS
        assert read_ms - waited_ms >= arrived_ms - 1e-6
        arrived_ms = read_ms - waited_ms
