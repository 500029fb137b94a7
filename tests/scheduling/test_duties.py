from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.duties import Duties

PERIODS_MS = {"often": 10.0, "seldom": 25.0}


def taken(duties: Duties[str], now_ms: float) -> list[tuple[str, float]]:
    return [(due.name, due.late_ms) for due in duties.take_due(now_ms)]


def test_each_duty_is_due_a_period_after_it_was_last() -> None:
    duties = Duties(PERIODS_MS, 0.0)
    assert duties.next_ms == 10.0
    assert taken(duties, 9.0) == []
    assert taken(duties, 10.0) == [("often", 0.0)]
    assert duties.next_ms == 20.0
    assert taken(duties, 27.0) == [("often", 7.0), ("seldom", 2.0)]
    assert duties.next_ms == 37.0


def test_a_duty_can_be_hastened() -> None:
    duties = Duties(PERIODS_MS, 0.0)
    duties.hasten("seldom", 3.0)
    assert taken(duties, 3.0) == [("seldom", 0.0)]
    assert duties.next_ms == 10.0
    duties.hasten("often", 12.0)  # is late already
    assert taken(duties, 12.0) == [("often", 2.0)]


def test_after_a_rest_nothing_is_late() -> None:
    duties = Duties(PERIODS_MS, 0.0)
    duties.rest(1000.0)
    assert taken(duties, 1000.0) == []
    assert duties.next_ms == 1010.0


@given(
    steps_ms=st.lists(st.floats(0, 9), max_size=300),
    hastened=st.sampled_from(["often", "seldom", None]),
)
def test_no_duty_waits_longer_than_its_period_whatever_else_is_hastened(steps_ms, hastened) -> None:
    duties = Duties(PERIODS_MS, 0.0)
    now_ms = 0.0
    last_ms = dict.fromkeys(PERIODS_MS, 0.0)
    for step_ms in steps_ms:
        now_ms += step_ms
        if hastened:
            duties.hasten(hastened, now_ms)
        for due in duties.take_due(now_ms):
            last_ms[due.name] = now_ms
        assert all(now_ms - last_ms[name] < PERIODS_MS[name] for name in PERIODS_MS)
