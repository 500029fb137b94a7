from __future__ import annotations

import math

from moonjelly.core.link import transmission_ms
from moonjelly.core.stream import Stream


def link(bandwidth_kbps, wire_ms=0.0):
    return Stream.trusted(bandwidth_kbps=bandwidth_kbps, wire_ms=wire_ms)


def test_a_frame_on_its_way_takes_transmission_and_wire():
    assert transmission_ms(200, 10_000) == 20
    assert link(10_000, wire_ms=3).round_trip_ms(200) == 26


def test_over_a_link_that_is_down_a_frame_takes_for_ever():
    down = link(0, wire_ms=3)
    assert transmission_ms(200, 0) == down.round_trip_ms(200) == math.inf
    assert not down.carries(0.001, 0.001)


def test_a_link_that_is_exactly_as_fast_as_the_frames_does_not_carry_them():
    assert not link(1000).carries(100, fps=10)
    assert link(1000.1).carries(100, fps=10)
