from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.plan_view import PlanView, RunningPlan, RunningVariant

LATENCIES = [BatchLatency((float(k + 1),) * 4, (float(k + 1),) * 4) for k in range(3)]


def plan(epoch: int, variant: int) -> PlanView:
    devices = {
        name: RunningVariant(name, variant, 4, LATENCIES[variant]) for name in ("gpu0", "gpu1")
    }
    return PlanView(epoch, devices, {"cam": "gpu0"})


def running_plan() -> RunningPlan:
    return RunningPlan(lambda _, variant: LATENCIES[variant])


def test_a_plan_that_is_carried_out_stays_as_it_is():
    running = running_plan()
    first = plan(1, 2)
    running.ran("gpu0", 2)
    running.take(first)
    assert running.view == first
    assert running.view.serving("cam") is first.devices["gpu0"]


def test_what_a_device_runs_in_place_of_the_plan_counts_until_it_runs_the_planned():
    running = running_plan()
    running.take(plan(1, 1))
    running.ran("gpu0", 1)
    second = plan(2, 2)
    running.take(second)
    seen = running.view
    assert (seen.epoch, seen.placement) == (2, second.placement)
    assert seen.devices["gpu0"] == RunningVariant("gpu0", 1, 4, LATENCIES[1])
    assert seen.devices["gpu1"] is second.devices["gpu1"]  # nothing is known of it
    running.ran("gpu0", 2)
    assert running.view == second


def test_devices_that_no_plan_knows_disturb_nothing():
    running = running_plan()
    running.ran("gpu9", 0)
    assert running.view == PlanView()


def device(name: str, batch_size: int, batch_ms: float) -> RunningVariant:
    return RunningVariant(name, 0, batch_size, BatchLatency((batch_ms,) * 12, (batch_ms,) * 12))


def slots_needed(streams: list[tuple[float, RunningVariant]]) -> float:
    """What streams need by a plan that has each, of that rate, run there."""
    devices = {running.device_id: running for _, running in streams}
    placement = {f"cam{k}": running.device_id for k, (_, running) in enumerate(streams)}
    rates_fps = [(f"cam{k}", fps) for k, (fps, _) in enumerate(streams)]
    return PlanView(1, devices, placement).slots_needed([*rates_fps, ("served nowhere", 30.0)])


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
