from __future__ import annotations

import pytest

from moonjelly.core.mode import MOST_UTILISATION, NEVER_MS, Mode, ModeCost, ModeTable

TABLE = ModeTable(((10.0, 14.0), (30.0,)), ((8.0, 12.0), (25.0,)))


def test_a_table_knows_the_modes_of_each_variant():
    assert TABLE.num_variants == 2
    assert TABLE.modes(0) == (Mode(0, 1), Mode(0, 2))
    assert TABLE.modes(1) == (Mode(1, 1),)


def test_a_table_answers_for_a_mode():
    mode = Mode(0, 2)
    assert TABLE.p99_ms(mode) == 14.0
    assert TABLE.cost(mode) == ModeCost(
        mode, 12.0, 14.0, pytest.approx(2000 * MOST_UTILISATION / 12)
    )
    assert TABLE.span_ms == (8.0, 25.0)


def test_a_steady_device_carries_what_its_tail_allows_and_an_unsteady_one_what_its_batches_take():
    tails = {8.2: 1000 / 8.2, 14.0: 1000 * MOST_UTILISATION / 8, 80.0: 1000 * MOST_UTILISATION / 8}
    for p99_ms, carried_fps in tails.items():
        (cost,) = ModeTable(((p99_ms,),), ((8.0,),)).costs(0)
        assert cost.throughput_fps == pytest.approx(carried_fps)
        (cost,) = ModeTable(((p99_ms,),), ((8.0,),)).published().costs(0)
        assert cost.throughput_fps == pytest.approx(1000 / p99_ms)


def test_where_only_the_tail_is_known_it_stands_for_the_median():
    assert ModeTable(((10.0,),)).cost(Mode(0, 1)).p50_ms == 10.0


def test_on_a_slow_device_all_takes_longer_and_what_is_broken_for_ever():
    slow = TABLE.slowed(lambda _: 2.0, broken={1})
    assert slow.cost(Mode(0, 1))[1:3] == (16.0, 20.0)
    assert slow.cost(Mode(1, 1))[1:3] == (NEVER_MS, NEVER_MS)


def test_each_mode_is_as_slow_as_one_of_its_length_and_the_tail_spreads():
    slow = TABLE.slowed(lambda p50_ms: 1 + 4 / p50_ms, 1.1)
    mode = Mode(0, 1)
    assert slow.cost(mode)[1:3] == pytest.approx((12.0, 1.1 * 1.5 * 10.0))


@pytest.mark.parametrize(
    ("rows", "problem"), [(((),), "at least batch 1"), (((10.0, 0.0),), "latency_ms=0")]
)
def test_a_table_that_makes_no_sense_is_refused(rows, problem):
    with pytest.raises(ValueError, match=problem):
        ModeTable(rows)
