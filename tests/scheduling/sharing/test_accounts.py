from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moonjelly.scheduling.sharing.accounts import Accounts
from moonjelly.scheduling.sharing.weights import weight_of

WEIGHTS = {"paying": 2048, "free": 512}


def test_device_time_is_charged_by_weight() -> None:
    accounts = Accounts(WEIGHTS)
    accounts.set_active({"paying", "free", "new"})
    for tenant in ("paying", "free", "new"):
        accounts.charge(tenant, 10.0)
    had_ms = [accounts.virtual_ms(one) for one in ("paying", "free", "new")]
    assert had_ms == [5.0, 20.0, 10.0]


def test_a_new_weight_counts_from_the_next_charge_on() -> None:
    weights = {"paying": 1024}
    accounts = Accounts(weights)
    accounts.set_active({"paying"})
    accounts.charge("paying", 10.0)
    weights["paying"] = 2048
    accounts.charge("paying", 10.0)
    assert accounts.virtual_ms("paying") == 15.0


def test_who_wakes_is_lifted_to_the_least_of_those_who_were_active() -> None:
    accounts = Accounts({})
    accounts.set_active({"a", "b"})
    accounts.charge("a", 50.0)
    accounts.charge("b", 30.0)
    accounts.set_active({"a", "b", "c"})
    assert accounts.virtual_ms("c") == 30.0
    accounts.set_active({"a"})
    accounts.charge("a", 100.0)
    accounts.set_active({"a", "b"})
    assert accounts.virtual_ms("b") == 150.0


def test_who_had_more_than_others_gains_nothing_by_a_rest() -> None:
    accounts = Accounts({})
    accounts.set_active({"a", "b"})
    accounts.charge("a", 50.0)
    accounts.set_active({"b"})
    accounts.set_active({"a", "b"})
    assert accounts.virtual_ms("a") == 50.0


def test_old_debts_end_where_nobody_had_anything_left_to_run() -> None:
    accounts = Accounts({})
    accounts.set_active({"a", "b"})
    accounts.charge("a", 50.0)
    accounts.charge("b", 10.0)
    accounts.set_active(())
    accounts.set_active({"b"})
    accounts.set_active({"a", "b"})
    assert accounts.virtual_ms("a") == accounts.virtual_ms("b") == 50.0


@given(
    jobs=st.lists(st.floats(0.1, 40.0), min_size=1, max_size=80),
    priorities=st.lists(st.integers(-20, 19), min_size=2, max_size=5),
)
def test_whoever_had_least_first_keeps_all_within_one_job(jobs, priorities) -> None:
    weights = {str(number): weight_of(one) for number, one in enumerate(priorities)}
    accounts = Accounts(weights)
    accounts.set_active(weights)
    dearest_ms = 0.0
    for job_ms in jobs:
        least = min(weights, key=accounts.virtual_ms)
        accounts.charge(least, job_ms)
        dearest_ms = max(dearest_ms, accounts.charged_ms(least, job_ms))
        had_ms = [accounts.virtual_ms(one) for one in weights]
        assert max(had_ms) - min(had_ms) <= dearest_ms + 1e-6
