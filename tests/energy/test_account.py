"""The joules of a device as its logs have them: they are the meter's, whatever runs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.mode import Mode, PowerTable
from moonjelly.energy.account import ROW_MS, EnergyAccount
from moonjelly.energy.port import Energy, MeterFacts, Quality

IDLE_W = 5.0
POWER = {Mode(0, size, mhz): 10.0 + size for size in range(1, 9) for mhz in (None, 600.0)}
FACTS = MeterFacts("toy", "package", 100)


def modelled(now_ms: float = 0.0) -> EnergyAccount:
    return EnergyAccount.modelled("board0", PowerTable(POWER, {None: IDLE_W, 600.0: 2.0}), now_ms)


def measured(total_mj: float) -> Energy:
    return Energy(total_mj, Quality.MEASURED)


LOADS = st.lists(
    st.tuples(st.floats(0, 900), st.floats(0, 300), st.integers(1, 8), st.booleans()),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60)
@given(LOADS)
def test_frames_and_idle_add_up_to_what_a_modelled_device_took(loads):
    """Pauses, batches, frames of each, and whether streams were planned there."""
    account, now_ms, true_mj = modelled(), 0.0, 0.0
    known = list(account.tick(now_ms))
    for number, (pause_ms, run_ms, size, has_streams) in enumerate(loads):
        known += account.plan(has_streams=has_streams, now_ms=now_ms)
        now_ms += pause_ms
        known += account.began(number, Mode(0, size), size, now_ms)
        now_ms += run_ms
        known += account.ended(number, now_ms)
        true_mj += pause_ms * IDLE_W + run_ms * POWER[Mode(0, size)]
    known += account.tick(now_ms + 1)
    true_mj += IDLE_W
    account.close()
    sizes = [size for _, _, size, _ in loads]
    frames_mj = sum(one.frame_mj * sizes[one.batch] for one in known)
    assert sorted(one.batch for one in known) == list(range(len(loads)))
    assert sum(row.above_mj for row in account.rows) == pytest.approx(frames_mj)
    whole_mj = sum(row.above_mj + row.idle_mj + row.unplanned_mj for row in account.rows)
    assert whole_mj == pytest.approx(true_mj, rel=1e-6)
    assert account.total_mj == pytest.approx(true_mj, rel=1e-6)
    for before, after in zip(account.rows, account.rows[1:], strict=False):
        assert before.end_ms == after.begin_ms
        assert before.end_ms - before.begin_ms >= ROW_MS


def test_a_batch_at_another_clock_takes_what_the_table_says_of_that():
    account = modelled()
    account.set_clock(600.0, 50)
    account.began(1, Mode(0, 1, 600.0), 1, 100)
    (known,) = account.ended(1, 200)
    assert (known.frame_mj, known.quality) == ((11 - 2) * 100, Quality.MODELLED)
    account.set_clock(None, 300)
    account.tick(400)
    assert account.total_mj == 50 * IDLE_W + 50 * 2 + 100 * 11 + 100 * 2 + 100 * IDLE_W


def test_a_mode_that_the_table_lacks_is_not_known_and_the_next_one_is():
    account = modelled()
    account.tick(0)
    account.began(1, Mode(3, 1), 1, 100)
    (first,) = account.ended(1, 200)
    account.began(2, Mode(0, 1), 1, 300)
    (second,) = account.ended(2, 400)
    assert not first.is_known
    assert (second.is_known, second.frame_mj) == (True, 600)


def test_a_meter_tells_what_a_device_draws_while_nothing_runs_and_before_that_nothing_is_above():
    account = EnergyAccount("cpu0", FACTS)
    account.read(measured(0), 0)
    account.began(1, Mode(0, 1), 1, 50)
    account.ended(1, 80)
    (early,) = account.read(measured(2000), 100)
    assert not early.is_known
    for tick in range(2, 9):
        account.read(measured(2000 + 1000 * (tick - 1)), 100 * tick)  # 10 W
    account.began(2, Mode(0, 1), 2, 850)
    account.ended(2, 880)
    (known,) = account.read(measured(12_000), 900)
    assert known.frame_mj == pytest.approx((3000 - 10 * 100) / 2)
    account.close()
    (row,) = account.rows
    assert (row.quality, row.above_mj) == (Quality.MEASURED, 2000)
    assert row.above_mj + row.idle_mj + row.unplanned_mj == 12_000


def test_what_a_governor_that_died_did_not_count_is_unavailable_and_the_total_never_falls():
    account = EnergyAccount("cpu0", FACTS)
    totals = []
    for total_mj, at_ms in ((0, 0), (500, 100), (900, 200)):
        account.read(measured(total_mj), at_ms)
        totals.append(account.total_mj)
    account.lost(250)
    for total_mj, at_ms in ((10, 1200), (310, 1300), (610, 1400)):  # its successor's meter
        account.read(measured(total_mj), at_ms)
        totals.append(account.total_mj)
    account.close()
    assert totals == [0, 500, 900, 900, 1200, 1500]
    assert [(row.quality, row.begin_ms, row.end_ms) for row in account.rows] == [
        (Quality.MEASURED, 0, 200),
        (Quality.UNAVAILABLE, 200, 1200),
        (Quality.MEASURED, 1200, 1400),
    ]
