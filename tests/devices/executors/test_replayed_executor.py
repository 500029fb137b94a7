from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from virtual_clock import VirtualClock

from moonjelly.core.answers import Detections
from moonjelly.core.mode import ModeTable
from moonjelly.core.profile import BatchLatency
from moonjelly.devices.executors.replayed_executor import ReplayedExecutor
from moonjelly.devices.replay import SlowdownScript
from moonjelly.energy.port import ClockAsker

LATENCY = {"v": BatchLatency((10.0, 15.0), (20.0, 30.0))}


class SlowClock(VirtualClock):
    """Every look at it takes 4 ms, as if the executor itself were slow."""

    def now_ms(self) -> float:
        now_ms = super().now_ms()
        self.advance_to(now_ms + 4)
        return now_ms


def make(clock: VirtualClock, **options: object) -> tuple[ReplayedExecutor, list[float]]:
    slept_ms: list[float] = []

    def sleep(seconds: float) -> None:
        slept_ms.append(round(1000 * seconds, 6))
        VirtualClock.advance_to(clock, VirtualClock.now_ms(clock) + 1000 * seconds)

    executor = ReplayedExecutor(LATENCY, clock=clock, sleep=sleep, **options)
    executor.load("v", 2)
    return executor, slept_ms


def run(executor: ReplayedExecutor, inputs: list[None]) -> list[Detections]:
    return executor.finish(executor.start("v", inputs))


def test_a_batch_takes_the_median_of_its_real_size():
    executor, slept_ms = make(VirtualClock(5.0))
    run(executor, [None])
    run(executor, [None] * 2)
    assert slept_ms == [10.0, 15.0]


def test_time_already_spent_counts():
    executor, slept_ms = make(SlowClock())
    run(executor, [None])
    assert slept_ms == [6.0]


def test_batches_take_as_long_as_the_script_says():
    clock = VirtualClock(500.0)
    executor, slept_ms = make(clock, slowdown=SlowdownScript.parse("1:2+2:0.5"))
    for at_ms in (500.0, 1490.0, 1500.0, 2500.0):
        clock.advance_to(at_ms)
        run(executor, [None])
    assert slept_ms == [10.0, 10.0, 20.0, 5.0]


def test_one_batch_of_a_hundred_takes_the_p99():
    executor, slept_ms = make(VirtualClock())
    for _ in range(300):
        run(executor, [None])
    assert slept_ms.count(10.0) == 297
    assert slept_ms.count(20.0) == 3


@pytest.mark.parametrize(("every", "expected_ms"), [(0, 15.0), (1, 30.0)])
def test_all_median_or_all_p99_on_request(every, expected_ms):
    executor, slept_ms = make(VirtualClock(), p99_every=every)
    for _ in range(200):
        run(executor, [None] * 2)
    assert set(slept_ms) == {expected_ms}


def test_batches_that_overlap_take_the_device_one_after_the_other():
    clock = VirtualClock()
    executor, slept_ms = make(clock)
    first, second = executor.start("v", [None]), executor.start("v", [None] * 2)
    executor.finish(first)
    executor.finish(second)
    assert slept_ms == [10.0, 15.0]


def test_an_instant_one_does_not_sleep():
    executor, slept_ms = make(VirtualClock(), is_instant=True)
    run(executor, [None])
    assert slept_ms == []


def test_stored_answers_come_round():
    one = Detections(
        np.array([[0, 0, 1, 1]], np.float32), np.array([0.5], np.float32), np.array([2], np.int32)
    )
    executor, _ = make(VirtualClock(), answers=[one, Detections.empty()])
    found = [*run(executor, [None]), *run(executor, [None] * 2)]
    assert [len(each) for each in found] == [1, 0, 1]


def test_a_variant_without_a_latency_cannot_be_loaded():
    with pytest.raises(KeyError):
        ReplayedExecutor(LATENCY).load("w", 1)


def test_it_needs_neither_torch_nor_opencv():
    code = (
        "import sys, moonjelly.server.executors.process, moonjelly.devices.executors.replayed_executor;"
        "sys.exit(str(sorted({'torch', 'cv2', 'grpc'} & set(sys.modules)) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_a_load_takes_what_it_is_told_to_and_a_second_one_nothing():
    executor, slept_ms = make(VirtualClock(), load_ms=400.0)
    executor.load("v", 2)
    assert slept_ms == [400.0]
    executor.unload("v")
    executor.load("v", 2)
    assert slept_ms == [400.0, 400.0]


CLOCKED = ModeTable(
    ((20.0, 30.0),),
    ((10.0, 15.0),),
    by_clock=(
        ModeTable(((40.0, 60.0),), ((20.0, 30.0),), clock_mhz=600.0),
        ModeTable(((20.0, 30.0),), ((10.0, 15.0),), clock_mhz=1200.0),
    ),
)


def test_a_batch_takes_what_the_profile_says_of_the_clock_that_is_reached():
    clock = VirtualClock()
    executor, slept_ms = make(clock, modes=CLOCKED, clock_delay_ms=15.0)
    assert executor.clock_mhz is None
    run(executor, [None])
    executor.ask_clock(600.0)
    run(executor, [None])  # it begins before the clock has changed
    assert executor.clock_mhz is None
    clock.advance_to(VirtualClock.now_ms(clock) + 5)
    assert executor.clock_mhz == 600.0
    run(executor, [None])
    executor.ask_clock(600.0)
    executor.ask_clock(1200.0)
    clock.advance_to(VirtualClock.now_ms(clock) + 14)
    assert executor.clock_mhz == 600.0
    clock.advance_to(VirtualClock.now_ms(clock) + 1)
    run(executor, [None] * 2)
    assert slept_ms == [10.0, 10.0, 20.0, 15.0]


def test_a_clock_that_the_profile_lacks_changes_nothing():
    executor, slept_ms = make(VirtualClock(), modes=CLOCKED)
    executor.ask_clock(999.0)
    run(executor, [None])
    assert (executor.clock_mhz, slept_ms) == (None, [10.0])
    assert isinstance(executor, ClockAsker)
