from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.profile import BatchLatency
from moonjelly.core.verdict import Reason
from moonjelly.scheduling.batching import deadline
from moonjelly.scheduling.batching.deadline import DeadlineBatcher
from moonjelly.scheduling.batching.port import BatchDecision, DeviceState, QueuedFrame
from moonjelly.scheduling.slowness import Slowness

NOW_MS = 1000.0
ROUNDING_MS = 1e-6


def queue_of(*slacks_ms, undecoded=()):
    """Frames 0, 1, ... that arrived 1 ms apart, the newest just now."""
    return [
        QueuedFrame(key, NOW_MS + key - len(slacks_ms) + 1, NOW_MS + slack, key not in undecoded)
        for key, slack in enumerate(slacks_ms)
    ]


def device(p50_ms, p99_ms=None, fps=1.0, slowdown=1.0, batch_size=None, decode_ms=2.0):
    latency = Slowness(slowdown).of(BatchLatency(tuple(p50_ms), tuple(p99_ms or p50_ms)))
    return DeviceState(latency, batch_size or len(p50_ms), fps, decode_ms)


def decide(queue, state):
    return DeadlineBatcher().decide(queue, state, NOW_MS)


STEEP = (10.0, 20.0, 30.0, 40.0)  # no gain from batching
FLAT = (20.0, 22.0, 24.0, 26.0, 28.0, 30.0)


def test_an_empty_queue_needs_nothing():
    assert decide([], device(FLAT)) == BatchDecision()


def test_frames_go_in_order_of_deadline():
    assert decide(queue_of(90, 50, 70, 60), device(STEEP)).run[0] == 1


def test_frames_of_one_deadline_go_in_order_of_arrival():
    assert decide(queue_of(*[100] * 8), device(FLAT)).run == (0, 1, 2, 3, 4, 5)


def test_what_is_hopeless_is_dropped_decoded_or_not():
    decision = decide(queue_of(19, 100, 15, undecoded={2}), device(FLAT))
    assert decision.drop == ((2, Reason.TOO_LATE), (0, Reason.TOO_LATE))
    assert decision.run == (1,)


def test_a_frame_that_just_makes_it_runs():
    assert decide(queue_of(20), device(FLAT)) == BatchDecision(run=(0,))


def test_a_batch_is_as_large_as_the_tightest_frame_bears():
    assert decide(queue_of(25, 80, 80, 80, 80), device(FLAT)).run == (0, 1, 2)


def test_a_batch_is_no_larger_than_planned_where_all_are_in_time():
    state = replace(device(FLAT, batch_size=2), max_batch_size=6)
    assert decide(queue_of(*[200] * 6), state).run == (0, 1)


def test_a_batch_is_larger_than_planned_where_frames_would_be_lost_to_that():
    planned = device(FLAT, batch_size=1)
    queue = queue_of(45, 45, 45)  # one after the other take 60 ms
    assert decide(queue, planned).run == (0,)
    assert decide(queue, replace(planned, max_batch_size=6)).run == (0, 1, 2)
    assert decide(queue, replace(planned, max_batch_size=2)).run == (0, 1)
    # The most urgent one bears no other beside it: it goes alone, and the others together after it.
    tight = queue_of(21, 45, 45)
    assert decide(tight, replace(planned, max_batch_size=6)) == BatchDecision(run=(0,))


def test_what_is_lost_with_batches_of_any_size_is_dropped():
    state = replace(device(STEEP, batch_size=1), max_batch_size=4)
    assert decide(queue_of(10, 19), state) == BatchDecision(run=(0,), drop=((1, Reason.TOO_LATE),))


def test_a_tight_frame_is_saved_by_a_small_batch_if_the_rest_can_follow():
    # All six at once take 30 ms; the first cannot wait for that.
    assert decide(queue_of(20, *[60] * 5), device(FLAT)) == BatchDecision(run=(0,))


def test_a_tight_frame_is_given_up_if_that_saves_more():
    # Run alone, it costs the five others their deadline.
    decision = decide(queue_of(20, *[30] * 5), device(FLAT))
    assert decision.run == (1, 2, 3, 4, 5)
    assert decision.drop == ((0, Reason.TOO_LATE),)


def test_a_tight_frame_is_not_given_up_for_one_other():
    decision = decide(queue_of(10, 19), device(STEEP))
    assert decision.run == (0,)
    assert decision.drop == ((1, Reason.TOO_LATE),)


def test_where_batching_gains_nothing_the_first_frame_is_not_held_up():
    assert decide(queue_of(50, 60, 70, 80), device(STEEP)).run == (0,)


def test_a_batch_counts_on_the_p99():
    state = device((10.0, 11.0), p99_ms=(15.0, 18.0))
    assert decide(queue_of(18, 60), state).run == (0, 1)
    assert decide(queue_of(17, 60), state).run == (0,)


def test_a_frame_that_makes_it_only_at_the_median_runs_where_none_is_safe():
    state = device((10.0, 11.0), p99_ms=(15.0, 18.0))
    assert decide(queue_of(12), state).run == (0,)
    assert decide(queue_of(9), state).drop == ((0, Reason.TOO_LATE),)


def test_a_slow_device_is_believed():
    assert decide(queue_of(25), device(FLAT, slowdown=1.2)).run == (0,)
    assert decide(queue_of(25), device(FLAT, slowdown=1.3)).drop == ((0, Reason.TOO_LATE),)


def test_frames_wait_for_more_if_the_rate_needs_larger_batches():
    # 100 frame/s need batches of 3: two more should come within 20 ms.
    decision = decide(queue_of(200), device(FLAT, fps=100))
    assert decision == BatchDecision(wait_until_ms=NOW_MS + 20)


def test_nobody_is_put_at_risk_by_waiting():
    # The frame can wait as long as a batch of 3 could still run twice.
    decision = decide(queue_of(58), device(FLAT, fps=100))
    assert decision == BatchDecision(wait_until_ms=NOW_MS + 10)
    assert decide(queue_of(48), device(FLAT, fps=100)) == BatchDecision(run=(0,))


@pytest.mark.parametrize(
    "state",
    [
        device(FLAT, fps=40),  # the rate is carried one by one
        device(FLAT, fps=0),
        device(STEEP, fps=1000),  # larger batches gain nothing
        device(FLAT, fps=100, batch_size=1),
    ],
)
def test_nothing_waits_where_waiting_does_not_pay(state):
    assert decide(queue_of(500), state) == BatchDecision(run=(0,))


def test_a_device_does_not_idle_while_decoded_frames_can_run():
    decision = decide(queue_of(100, 90, undecoded={1}), device(STEEP, fps=1000))
    assert decision == BatchDecision(run=(0,))


def test_an_urgent_frame_that_is_about_to_be_decoded_is_waited_for():
    # Run at once, frame 0 would cost frame 1 its deadline.
    decision = decide(queue_of(100, 25, undecoded={1}), device((20.0, 22.0), decode_ms=2.0))
    assert decision == BatchDecision(wait_until_ms=NOW_MS + 2)


def test_an_urgent_frame_is_not_waited_for_at_the_cost_of_another():
    decision = decide(queue_of(20, 25, undecoded={1}), device(FLAT, decode_ms=2.0))
    assert decision.run == (0,)
    assert decision.drop == ((1, Reason.TOO_LATE),)


def test_where_nothing_is_decoded_the_next_drop_is_waited_for():
    decision = decide(queue_of(50, 100, undecoded={0, 1}), device(FLAT))
    assert decision == BatchDecision(wait_until_ms=NOW_MS + 31)


slacks = st.one_of(st.sampled_from([20.0, 30.0, 60.0]), st.floats(0, 300))


@settings(max_examples=200, deadline=None)
@given(st.lists(slacks, min_size=1, max_size=24), st.floats(1.0, 2.0), st.integers(1, 6))
def test_no_frame_runs_that_would_be_late_by_prediction(slacks_ms, slowdown, batch_size):
    state = device(FLAT, slowdown=slowdown, batch_size=batch_size)
    decision = decide(queue_of(*slacks_ms), state)
    dropped = {key for key, _ in decision.drop}
    least_ms = FLAT[0] * slowdown
    assert {key for key, slack in enumerate(slacks_ms) if slack < least_ms - ROUNDING_MS} <= dropped
    if decision.run:
        batch_ms = FLAT[len(decision.run) - 1] * slowdown
        assert all(slacks_ms[key] >= batch_ms - ROUNDING_MS for key in decision.run)
        # What is dropped could not have followed this batch either.
        assert all(slacks_ms[key] < batch_ms + least_ms + ROUNDING_MS for key in dropped)
    else:
        assert len(dropped) == len(slacks_ms)


@st.composite
def answerable(draw):
    """A profile, and deadlines that some sequence of batches meets, often narrowly."""
    p50_ms = draw(st.sampled_from([FLAT, STEEP]))
    sizes = draw(st.lists(st.integers(1, len(p50_ms)), min_size=1, max_size=4))
    slacks_ms = []
    free_ms = 0.0
    for size in sizes:
        free_ms += p50_ms[size - 1]
        spare_ms = st.one_of(st.just(0.0), st.floats(0, 40))
        slacks_ms += [free_ms + draw(spare_ms) for _ in range(size)]
    return p50_ms, slacks_ms


@settings(max_examples=150, deadline=None)
@given(answerable())
def test_a_queue_that_can_be_answered_in_full_is(profile_and_slacks):
    p50_ms, slacks_ms = profile_and_slacks
    queue = queue_of(*(slack + ROUNDING_MS for slack in slacks_ms))
    now_ms, num_in_time = NOW_MS, 0
    while queue:
        decision = DeadlineBatcher().decide(queue, device(p50_ms, fps=0), now_ms)
        num_in_time += len(decision.run)
        now_ms += p50_ms[len(decision.run) - 1]
        gone = {*decision.run, *(key for key, _ in decision.drop)}
        queue = [frame for frame in queue if frame.key not in gone]
    assert num_in_time == len(slacks_ms)


@st.composite
def latencies(draw):
    """Medians that mostly rise with the batch size, and tails above them."""
    first_ms, step_ms = draw(st.sampled_from([(10.0, 1.0), (3.0, 1.0), (0.6, 9.4), (5.0, 0.0)]))
    bumps_ms = draw(st.lists(st.sampled_from([0.0, 0.0, 3.7]), min_size=6, max_size=12))
    p50_ms = [first_ms + step_ms * size + bump for size, bump in enumerate(bumps_ms, 1)]
    tail_ratio = draw(st.sampled_from([1.0, 1.15, 1.5]))
    return BatchLatency.monotone(tuple(p50_ms), tuple(tail_ratio * ms for ms in p50_ms))


@settings(max_examples=400, deadline=None)
@given(
    latencies(),
    st.lists(st.tuples(slacks, st.booleans()), min_size=1, max_size=24),
    st.booleans(),
    st.sampled_from([1.0, 1.37]),
    st.integers(1, 12),
    st.sampled_from([1.0, 100.0, 500.0]),
)
def test_sizes_that_are_not_played_forward_would_not_have_won(
    latency, frames, all_are_ready, slowdown, batch_size, fps
):
    queue = [
        QueuedFrame(key, NOW_MS - key, NOW_MS + slack, all_are_ready or is_ready)
        for key, (slack, is_ready) in enumerate(frames)
    ]
    most = min(batch_size, latency.max_batch_size)
    state = DeviceState(Slowness(slowdown).of(latency), most, fps)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deadline, "BOUND_SLACK_MS", math.inf)  # plays everything forward
        expected = decide(queue, state)
    assert decide(queue, state) == expected
