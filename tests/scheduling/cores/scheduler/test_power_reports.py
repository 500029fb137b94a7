"""What devices draw, as the scheduler's core hears of it: compared with what is planned, and a cause for a plan at once."""

from __future__ import annotations

import pytest

from moonjelly.core.mode import ModeTable
from moonjelly.scheduling.cores.scheduler.stimuli import DeviceLost, DeviceMetered, Reported
from moonjelly.scheduling.planning.objectives.accuracy import Accuracy
from moonjelly.scheduling.power_feedback import PowerFeedback

PERIOD_MS = 500.0
ROWS_MS = ((5.0, 6.0, 7.0, 8.0), (20.0, 30.0, 40.0, 50.0))
IDLE_W, FRAME_MJ = 5.0, 200.0
TABLE = ModeTable(ROWS_MS, ROWS_MS, above_idle_rows_mj=((FRAME_MJ,) * 4,) * 2, idle_w=IDLE_W)
FPS = 25.0
PLANNED_W = IDLE_W + FPS * FRAME_MJ / 1000
CAP_W = 15.0


class Fed(Accuracy):
    """Has a cap, and plans as if it had none."""

    def __init__(self) -> None:
        self.feedback = PowerFeedback(CAP_W, window_ms=100.0)


@pytest.fixture
def metered(make_core, stream):
    """A core with one device, whose meter is read by `read(watts)` after 100 ms."""
    harness = make_core(objective=Fed(), clocked={"d0": TABLE})
    harness.start()
    harness.feed(Reported("e0", (stream("a", fps=FPS),), is_urgent=True))
    harness.wait(PERIOD_MS / 2)
    harness.total_mj = 0.0

    def read(watts: float, generation: int = 1) -> None:
        harness.wait(100.0)
        harness.total_mj += 100.0 * watts
        harness.feed(DeviceMetered("d0", generation, harness.total_mj, harness.now_ms))

    harness.read = read
    harness.feedback = harness.core._feedback
    return harness


def test_what_is_drawn_is_compared_with_the_plan_in_force(metered):
    for _ in range(20):
        metered.read(1.2 * PLANNED_W)
    assert metered.feedback.fleet_w == pytest.approx(CAP_W / 1.2)


def test_a_cap_that_is_exceeded_has_a_plan_made_at_once_and_only_then(metered):
    metered.read(PLANNED_W)
    while metered.wake_ms < metered.now_ms + 200.0:  # the period's own plan is not it
        metered.read(PLANNED_W)
    num_plans = len(metered.replans_ms)
    metered.read(2 * CAP_W)
    metered.wait(20.0)
    assert len(metered.replans_ms) == num_plans + 1
    assert metered.notes[-1].cause == "device_change"


def test_a_generation_that_is_over_says_nothing_and_the_next_meter_begins_anew(metered, announced):
    metered.read(PLANNED_W)
    metered.read(PLANNED_W)
    before_w = metered.feedback.fleet_w
    metered.read(10 * CAP_W, generation=0)
    assert metered.feedback.fleet_w == pytest.approx(before_w, rel=0.01)
    metered.feed(DeviceLost("d0", 1))
    metered.feed(announced("d0", generation=2))
    metered.total_mj = 1e6
    metered.read(PLANNED_W, generation=2)
    metered.read(PLANNED_W, generation=2)
    assert metered.feedback.fleet_w == pytest.approx(before_w, rel=0.01)


def test_a_server_without_caps_is_told_in_vain(core):
    core.feed(DeviceMetered("d0", 1, 1e6, core.now_ms))
    core.feed(DeviceMetered("d0", 1, 9e9, core.now_ms + 100))
