from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.simulation.events import EventQueue, Priority

PRIORITIES = (Priority.DONE, Priority.ARRIVAL, Priority.DECISION, Priority.TIMEOUT)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(PRIORITIES)), max_size=30))
def test_events_go_by_time_then_priority_then_order_of_entry(entries):
    events, seen = EventQueue(), []
    for number, (at_ms, priority) in enumerate(entries):
        events.at(at_ms, priority, seen.append, (at_ms, priority, number))
    events.run_until(math.inf)
    assert seen == sorted(seen)
    assert len(seen) == len(entries)


def test_an_event_sees_its_own_time_and_may_add_others_at_it():
    events, seen = EventQueue(), []

    def again(left: int) -> None:
        seen.append(events.now_ms)
        if left:
            events.at(events.now_ms, Priority.DONE, again, left - 1)

    events.at(3.0, Priority.TIMEOUT, again, 2)
    events.run_until(3.0)
    assert seen == [3.0, 3.0, 3.0]
    assert len(events) == 0


def test_a_run_stops_at_its_end_and_goes_on_from_there():
    events, seen = EventQueue(), []
    for at_ms in (1.0, 2.0, 2.5):
        events.at(at_ms, Priority.DONE, seen.append, at_ms)
    events.run_until(2.0)
    assert seen == [1.0, 2.0]
    events.run_until(9.0)
    assert seen == [1.0, 2.0, 2.5]


@pytest.mark.parametrize("at_ms", [4.9, math.nan])
def test_nothing_happens_in_the_past(at_ms):
    events = EventQueue()
    events.at(5.0, Priority.DONE, lambda: None)
    events.run_until(5.0)
    with pytest.raises(ValueError, match="must not be before 5"):
        events.at(at_ms, Priority.DONE, lambda: None)
