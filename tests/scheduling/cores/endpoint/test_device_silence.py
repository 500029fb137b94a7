from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.cores.endpoint.attached_device import (
    PATIENCE_MS,
    AttachedDevice,
    Handed,
)
from moonjelly.scheduling.cores.endpoint.held_frame import HeldFrame

TICK_MS = 50.0


class Device(AttachedDevice):
    """One that has just come."""

    def __init__(self) -> None:
        super().__init__("gpu0", 1, 0.0)

    def look(self, now_ms: float, deadline_ms: float, batch_ms: float) -> bool:
        """Whether it falls silent with a frame of that deadline; infinite: with none."""
        frame = HeldFrame(sequence=0)
        frame.deadline_ms = deadline_ms
        self.held = {1: Handed(frame, is_alone=False)} if deadline_ms < math.inf else {}
        return self.has_fallen_silent(now_ms, batch_ms)


def test_a_device_that_hangs_is_noticed_half_a_second_after_a_deadline_at_the_latest():
    for batch_ms in (5.0, 75.0, 200.0):
        device = Device()
        now_ms = 1000.0
        while not device.look(now_ms, 1000.0, batch_ms):
            now_ms += TICK_MS
        assert now_ms - 1000.0 <= 500.0


def test_a_device_without_frames_may_say_nothing():
    device = Device()
    assert not device.look(1e9, math.inf, 10.0)


def test_it_counts_again_once_something_is_heard_of_it():
    device = Device()
    assert device.look(1000.0, 100.0, 10.0)
    assert device.is_silent
    assert not device.look(1050.0, 100.0, 10.0)  # told once
    assert device.heard(1060.0)
    assert not device.is_silent
    assert not device.heard(1070.0)
    assert not device.look(1100.0, 100.0, 10.0)


def test_a_stall_of_our_own_is_not_held_against_it():
    device = Device()
    device.heard_ms = 5000.0
    assert not device.look(5050.0, 100.0, 10.0)
    assert device.look(5000.0 + PATIENCE_MS + 10.0, 100.0, 10.0)


@given(
    batches=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 500)), min_size=1, max_size=40),
    batch_ms=st.floats(1, 500),
    slo_ms=st.floats(1, 1000),
)
def test_a_device_that_works_is_never_taken_for_lost(batches, batch_ms, slo_ms):
    """Batches take up to their p99, one after the other or after a pause; each answers what waited."""
    device = Device()
    now_ms = 0.0
    for ratio, pause_ms in batches:
        arrived_ms = now_ms + min(pause_ms, slo_ms)
        end_ms = arrived_ms + ratio * batch_ms
        while now_ms < end_ms:
            now_ms += TICK_MS
            held_ms = arrived_ms + slo_ms if now_ms > arrived_ms else math.inf
            assert not device.look(min(now_ms, end_ms), held_ms, batch_ms)
        device.heard(end_ms)
        now_ms = end_ms


@given(
    handed=st.lists(st.floats(0, 1000), min_size=1, max_size=20),
    slo_ms=st.floats(10, 1000),
    batch_ms=st.floats(1, 200),
    died_ms=st.floats(0, 1000),
)
def test_a_device_that_hangs_is_always_noticed(handed, slo_ms, batch_ms, died_ms):
    device = Device()
    device.heard(died_ms)
    held = [at_ms + slo_ms for at_ms in handed if at_ms + slo_ms > died_ms]
    now_ms = died_ms
    while held and not device.is_silent:
        now_ms += TICK_MS
        if device.look(now_ms, min(held), batch_ms):
            assert now_ms <= max(died_ms, min(held)) + batch_ms + PATIENCE_MS + TICK_MS
        assert now_ms < 10_000
