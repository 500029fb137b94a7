"""Our batcher where frames wait for one another, to save energy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.deadline import PATIENCE_MARGIN_MS, DeadlineBatcher
from moonjelly.scheduling.batching.port import DeviceState, QueuedFrame

NOW_MS = 1000.0
LATENCY = BatchLatency((20.0, 22.0, 24.0, 26.0), (22.0, 24.0, 26.0, 30.0))
PATIENT, PROMPT = DeadlineBatcher(is_patient=True), DeadlineBatcher()


def queue_of(*slacks_ms: float) -> list[QueuedFrame]:
    return [QueuedFrame(key, NOW_MS - 1, NOW_MS + slack) for key, slack in enumerate(slacks_ms)]


def device(batch_size: int = 4, max_batch_size: int = 0) -> DeviceState:
    return DeviceState(LATENCY, batch_size, 10.0, 2.0, max_batch_size)


def test_a_batch_that_is_not_full_waits_until_a_full_one_would_just_be_in_time():
    decision = PATIENT.decide(queue_of(300.0, 400.0), device(), NOW_MS)
    assert (decision.run, decision.wait_until_ms) == ((), NOW_MS + 300 - 30 - PATIENCE_MARGIN_MS)
    assert PATIENT.decide(queue_of(30 + PATIENCE_MARGIN_MS, 400.0), device(), NOW_MS).run == (0, 1)


def test_a_full_batch_waits_for_nothing():
    assert PATIENT.decide(queue_of(*[300.0] * 4), device(), NOW_MS).run == (0, 1, 2, 3)
    assert PATIENT.decide(queue_of(300.0), device(batch_size=1), NOW_MS).run == (0,)


@settings(max_examples=200, deadline=None)
@given(
    slacks_ms=st.lists(st.floats(-20, 500), max_size=8),
    batch_size=st.integers(1, 4),
    max_batch_size=st.integers(0, 4),
)
def test_it_decides_as_the_other_or_waits_while_all_could_be_in_time(
    slacks_ms, batch_size, max_batch_size
):
    queue, state = queue_of(*slacks_ms), device(batch_size, max_batch_size)
    patient, prompt = (one.decide(queue, state, NOW_MS) for one in (PATIENT, PROMPT))
    assert patient.drop == prompt.drop
    if patient.run != prompt.run:
        assert not patient.run
        assert set(prompt.run) == {frame.key for frame in queue} - {key for key, _ in patient.drop}
        assert len(prompt.run) < batch_size
        tightest_ms = min(frame.deadline_ms for frame in queue if frame.key in prompt.run)
        full_ms = LATENCY.p99_ms[batch_size - 1]
        assert patient.wait_until_ms == pytest.approx(tightest_ms - full_ms - PATIENCE_MARGIN_MS)
        assert patient.wait_until_ms > NOW_MS


def test_it_answers_as_many_in_time_with_far_fewer_batches(simulate):
    arrivals = [(30.0 * number, 300.0) for number in range(400)]
    prompt, patient = (simulate(one, LATENCY, arrivals, 1000 / 30) for one in (PROMPT, PATIENT))
    assert patient.in_time == prompt.in_time == 400
    assert patient.num_batches < 0.4 * prompt.num_batches
    assert patient.busy_ms < 0.5 * prompt.busy_ms
