from __future__ import annotations

import math

from moonjelly.core.link import Link


def test_a_frame_on_its_way_takes_transmission_and_wire():
    assert Link(10_000, wire_ms=3).sending_ms(200) == 20
    assert Link(10_000, wire_ms=3).there_ms(200) == 23
    assert Link(10_000, wire_ms=3).round_trip_ms(200) == 26


def test_over_a_link_that_is_down_a_frame_takes_for_ever():
    down = Link(0, wire_ms=3)
    assert down.there_ms(200) == down.round_trip_ms(200) == math.inf
    assert not down.carries(0.001, 0.001)


def test_a_link_that_is_exactly_as_fast_as_the_frames_does_not_carry_them():
    assert not Link(1000).carries(100, fps=10)
    assert Link(1000.1).carries(100, fps=10)
