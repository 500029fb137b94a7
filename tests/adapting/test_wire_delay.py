from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.adapting.wire_delay import WireDelay


def test_the_least_of_the_window_counts():
    wire = WireDelay(window_ms=1000)
    assert wire.add(5.0, 0.0) == 5.0
    assert wire.add(9.0, 100.0) == 5.0, "a message that waited tells nothing"
    assert wire.add(4.0, 200.0) == 4.0
    assert wire.add(7.0, 1100.0) == 4.0
    assert wire.add(8.0, 1201.0) == 7.0, "the route has become longer"


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 400)), min_size=1, max_size=50))
def test_it_is_the_least_of_those_that_are_not_too_old(measurements):
    wire, now_ms, seen = WireDelay(window_ms=1000), 0.0, []
    for one_way_ms, pause_ms in measurements:
        now_ms += pause_ms
        seen.append((now_ms, one_way_ms))
        least = wire.add(one_way_ms, now_ms)
        assert least == min(delay for at_ms, delay in seen if at_ms >= now_ms - 1000)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_delays_that_cannot_be_are_refused(value):
    with pytest.raises(ValueError, match="one_way_ms"):
        WireDelay().add(value, 0.0)
