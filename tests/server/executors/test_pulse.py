"""A batch loop that stands still is found out; one that is idle or busy is not."""

from __future__ import annotations

import threading

import pytest

from moonjelly.core.clock import MonotonicClock
from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.cores.device.core import DeviceCore
from moonjelly.server.executors.loop import BatchLoop
from moonjelly.server.executors.pulse import STUCK_LOOKS, Pulse
from moonjelly.server.executors.workload import Workload

LIMIT_S = 30.0
LATENCIES = {"small": BatchLatency((1.0,), (1.0,))}


class Looping:
    """A batch loop in its thread, without frames."""

    needs_pictures = False
    depth = 1

    def __init__(self) -> None:
        self.going_on = threading.Event()
        self.going_on.set()
        self.work = Workload(DeviceCore(LATENCIES, None))
        self.work.core.loaded("small")
        self.loop = BatchLoop("device0", self.work, self, {}, MonotonicClock())
        self.pulse = Pulse(self.work, self.loop)
        self.thread = threading.Thread(target=self.loop.run)
        self.thread.start()

    def goes_round(self) -> None:
        """Waits until it has, after it was woken."""
        while self.loop.num_turns == self.pulse._turns_seen:
            assert self.thread.is_alive()
            threading.Event().wait(0.001)

    def close(self) -> None:
        self.going_on.set()
        self.work.close()
        self.thread.join(LIMIT_S)


@pytest.fixture
def looping():
    made = Looping()
    yield made
    made.close()


def test_an_idle_loop_beats_for_ever(looping):
    for _ in range(50):
        looping.goes_round()
        assert looping.pulse.is_beating(LIMIT_S)


def test_a_loop_that_never_comes_back_from_a_decision_does_not_beat(looping):
    turn = looping.work.core.turn

    def hang(now_ms):
        assert looping.going_on.wait(LIMIT_S)
        return turn(now_ms)

    looping.work.core.turn = hang
    looping.goes_round()
    assert looping.pulse.is_beating(LIMIT_S)
    looping.going_on.clear()
    num_turns = looping.loop.num_turns
    with looping.work.changed:
        looping.work.changed.notify()
    while looping.loop.num_turns == num_turns:
        assert looping.thread.is_alive()
        threading.Event().wait(0.001)
    assert not looping.pulse.is_beating(0.05)
    looping.going_on.set()
    assert looping.pulse.is_beating(LIMIT_S)


def test_a_loop_that_is_gone_or_stuck_without_the_lock_does_not_beat(looping):
    looping.goes_round()
    assert looping.pulse.is_beating(LIMIT_S)
    looping.close()
    looping.pulse.is_beating(LIMIT_S)
    assert not looping.pulse.is_beating(LIMIT_S)


def look(looping, frame) -> bool:
    """Looks once, with a decoder at that frame; returns whether it counts as stuck."""
    with looping.work.changed:
        looping.work.core.frames.decoding[1] = frame
    looping.pulse.is_beating(LIMIT_S)
    return looping.pulse.is_decoding_stuck


def test_a_decoder_that_never_comes_back_from_a_frame_is_found_out(looping):
    frame = object()
    assert not any(look(looping, frame) for _ in range(STUCK_LOOKS))
    assert look(looping, frame)


def test_a_decoder_that_is_at_another_frame_each_time_is_busy(looping):
    assert not any(look(looping, object()) for _ in range(3 * STUCK_LOOKS))
    looping.work.core.frames.decoding.clear()
    assert not looping.pulse.is_decoding_stuck


def test_a_long_batch_is_left_to_its_guard(looping):
    looping.close()
    looping.loop.is_running = True
    assert all(looping.pulse.is_beating(LIMIT_S) for _ in range(5))
