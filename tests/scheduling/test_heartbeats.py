"""Who counts as hung, whatever happens to the clock and to the judge."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.heartbeats import (
    BEAT_PERIOD_MS,
    LONGEST_STEP_MS,
    SILENCE_LIMIT_MS,
    Heartbeats,
)

STALLS_MS = st.lists(st.floats(0, 3_600_000), min_size=1, max_size=50)


def test_a_process_that_falls_silent_is_hung_within_three_seconds():
    beats = Heartbeats()
    beats.hear("executor-0", 1000.0)
    now_ms, hung = 1000.0, []
    while not hung:
        now_ms += BEAT_PERIOD_MS
        beats.hear("executor-1", now_ms)
        hung = beats.hung(now_ms)
    assert hung == ["executor-0"]
    assert SILENCE_LIMIT_MS <= now_ms - 1000.0 <= 3000.0


def test_nobody_is_expected_to_speak_before_the_first_word_or_after_the_last():
    beats = Heartbeats()
    beats.hear("a", 0.0)
    beats.forget("a")
    beats.forget("b")
    assert all(beats.hung(1000.0 * second) == [] for second in range(60))


@given(STALLS_MS, st.floats(0, 1e9))
def test_who_beats_is_never_hung_however_long_the_judge_did_not_run(stalls_ms, start_ms):
    """Whatever was sent during a stall is heard before judging."""
    beats, now_ms = Heartbeats(), start_ms
    beats.hear("a", now_ms)
    for stall_ms in stalls_ms:
        now_ms += stall_ms
        beats.hear("a", now_ms)
        assert beats.hung(now_ms) == []


@given(STALLS_MS)
def test_a_stall_of_everybody_costs_nobody_more_than_one_step(stalls_ms):
    """All were stopped: nobody has sent anything when the judge wakes; then all go on."""
    beats, now_ms = Heartbeats(), 0.0
    beats.hear("a", now_ms)
    for stall_ms in stalls_ms:
        now_ms += stall_ms
        assert beats.hung(now_ms) == []
        now_ms += BEAT_PERIOD_MS
        beats.hear("a", now_ms)


@given(STALLS_MS)
def test_hung_is_only_who_was_silent_in_real_time_and_in_looks(stalls_ms):
    beats, now_ms = Heartbeats(), 0.0
    beats.hear("a", now_ms)
    for looks, stall_ms in enumerate(stalls_ms, start=1):
        now_ms += stall_ms
        if beats.hung(now_ms):
            assert now_ms >= SILENCE_LIMIT_MS
            assert looks * LONGEST_STEP_MS >= SILENCE_LIMIT_MS


@given(st.lists(st.floats(BEAT_PERIOD_MS / 10, LONGEST_STEP_MS), min_size=30, max_size=40))
def test_a_judge_that_looks_often_enough_finds_every_silence(steps_ms):
    beats, now_ms = Heartbeats(), 0.0
    beats.hear("a", now_ms)
    for step_ms in steps_ms:
        now_ms += step_ms
        assert bool(beats.hung(now_ms)) == (now_ms >= SILENCE_LIMIT_MS)
