from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.plan_view import RunningVariant
from moonjelly.scheduling.slots import slots_needed


def device(name: str, batch_size: int, batch_ms: float) -> RunningVariant:
    return RunningVariant(name, 0, batch_size, BatchLatency((batch_ms,) * 12, (batch_ms,) * 12))


def test_a_stream_takes_slots_for_as_long_as_its_frames_run():
    assert slots_needed([(15.0, device("gpu0", 8, 40.0))] * 4) == pytest.approx(2.4)


def test_a_device_takes_no_more_than_a_batch_at_a_time():
    streams = [(240.0, device("gpu0", 4, 100.0)), (240.0, device("gpu1", 8, 100.0))]
    assert slots_needed(streams) == 12


def test_streams_that_fire_seldom_need_hardly_any():
    assert slots_needed([(0.2, device("gpu0", 8, 40.0))] * 150) < 2


@given(st.lists(st.tuples(st.floats(0.1, 240), st.integers(1, 12), st.floats(1, 500)), max_size=30))
def test_what_a_plan_runs_at_a_time_is_the_most_that_is_needed(streams):
    running = [(fps, device(f"gpu{size}", size, batch_ms)) for fps, size, batch_ms in streams]
    assert 0 <= slots_needed(running) <= sum({size for _, size, _ in streams})
