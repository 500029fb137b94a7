from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.adapting.reconnecting import (
    FIRST_TAKEN_WAIT_MS,
    FIRST_WAIT_MS,
    LAST_TAKEN_WAIT_MS,
    LAST_WAIT_MS,
    MAX_ADVISED_MS,
    Reconnecting,
)


def test_a_server_that_is_gone_is_asked_soon_and_then_every_second():
    asking = Reconnecting()
    assert asking.on_loss(has_worked=True) == 200
    assert [asking.on_failure() for _ in range(4)] == [400, 800, 1000, 1000]
    assert asking.on_loss(has_worked=True) == 200


def test_sessions_that_never_work_are_asked_for_ever_more_slowly():
    asking = Reconnecting()
    assert [asking.on_loss(has_worked=False) for _ in range(4)] == [200, 400, 800, 1000]


def test_advice_is_followed_as_far_as_it_may():
    asking = Reconnecting()
    assert asking.on_failure(700) == 700
    assert asking.on_failure(5000, most_ms=2000) == 2000
    assert asking.on_failure(1) == 800
    assert asking.on_failure(math.inf) == MAX_ADVISED_MS
    assert asking.on_failure(math.nan) == asking.on_failure(-5) == LAST_WAIT_MS


def test_two_streams_of_one_id_take_the_place_ever_more_seldom():
    asking = Reconnecting()
    waits = [asking.on_taken(lasted_ms=500) for _ in range(8)]
    assert waits == [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
    assert asking.on_taken(lasted_ms=60_000) == 1000, "an hour later it is another story"
    assert asking.num_taken == 9


@given(
    st.lists(
        st.tuples(st.just("failure"), st.floats(), st.floats(0, 1e9))
        | st.tuples(st.just("loss"), st.booleans())
        | st.tuples(st.just("taken"), st.floats(0, 1e6)),
        max_size=40,
    )
)
def test_every_wait_is_finite_and_bounded(events):
    asking = Reconnecting()
    for kind, *values in events:
        wait_ms = getattr(asking, f"on_{kind}")(*values)
        least, most = {
            "failure": (FIRST_WAIT_MS, MAX_ADVISED_MS),
            "loss": (FIRST_WAIT_MS, LAST_WAIT_MS),
            "taken": (FIRST_TAKEN_WAIT_MS, LAST_TAKEN_WAIT_MS),
        }[kind]
        assert least <= wait_ms <= most
    assert asking.num_taken == sum(kind == "taken" for kind, *_ in events)


@pytest.mark.parametrize("num_failures", [1, 5000])
def test_any_number_of_failures_is_counted(num_failures):
    asking = Reconnecting()
    for _ in range(num_failures):
        wait_ms = asking.on_failure()
    assert FIRST_WAIT_MS <= wait_ms <= LAST_WAIT_MS
