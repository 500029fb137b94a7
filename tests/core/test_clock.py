from __future__ import annotations

import pytest
from virtual_clock import VirtualClock

from moonjelly.core.clock import MonotonicClock


def test_a_virtual_clock_moves_only_when_told():
    clock = VirtualClock(5.0)
    assert clock.now_ms() == 5.0
    clock.advance_to(7.5)
    clock.advance_to(7.5)
    assert clock.now_ms() == 7.5


def test_a_virtual_clock_never_falls():
    clock = VirtualClock(5.0)
    with pytest.raises(ValueError, match="a clock never falls"):
        clock.advance_to(4.9)


def test_the_monotonic_clock_does_not_fall():
    clock = MonotonicClock()
    readings = [clock.now_ms() for _ in range(100)]
    assert readings == sorted(readings)
