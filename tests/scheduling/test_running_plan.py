from __future__ import annotations

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.plan_view import PlanView, RunningVariant
from moonjelly.scheduling.running_plan import RunningPlan

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
