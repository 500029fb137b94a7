from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.duties import Duties

PERIODS_MS = {"often": 10.0, "seldom": 25.0}


def test_each_duty_is_due_a_period_after_it_was_last() -> None:
    duties = Duties(PERIODS_MS, 0.0)
    assert duties.next_ms == 10.0
    assert list(duties.take_due(9.0)) == []
    assert list(duties.take_due(10.0)) == ["often"]
    assert duties.next_ms == 20.0
    assert list(duties.take_due(27.0)) == ["often", "seldom"]
    assert duties.next_ms == 37.0


@given(steps_ms=st.lists(st.floats(0, 9), max_size=300))
def test_no_duty_waits_longer_than_its_period(steps_ms) -> None:
    duties = Duties(PERIODS_MS, 0.0)
    now_ms = 0.0
    last_ms = dict.fromkeys(PERIODS_MS, 0.0)
    for step_ms in steps_ms:
        now_ms += step_ms
        for name in duties.take_due(now_ms):
            last_ms[name] = now_ms
        assert all(now_ms - last_ms[name] < PERIODS_MS[name] for name in PERIODS_MS)
