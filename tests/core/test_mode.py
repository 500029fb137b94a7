from __future__ import annotations

from dataclasses import replace

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


SLOW_CLOCK = ModeTable(((20.0, 28.0),), ((16.0, 24.0),), ((90.0, 120.0),), ((90.0, 60.0),), 600.5)
FAST_CLOCK = ModeTable(((10.0, 14.0),), ((8.0, 12.0),), ((80.0, 130.0),), ((80.0, 65.0),), 1200.0)
CLOCKED = replace(FAST_CLOCK, clock_mhz=None, by_clock=(SLOW_CLOCK, FAST_CLOCK))


def test_a_mode_has_the_costs_of_its_clock():
    cost = CLOCKED.cost(Mode(0, 2, 600.5))
    assert cost[:3] == (Mode(0, 2, 600.5), 24.0, 28.0)
    assert cost[4:6] == (120.0, 60.0)
    assert CLOCKED.p99_ms(Mode(0, 1, 1200.0)) == 10.0


def test_whoever_chooses_no_clock_gets_the_modes_of_the_device_s_own():
    assert CLOCKED.modes(0) == (Mode(0, 1), Mode(0, 2))
    assert CLOCKED.p99_ms(Mode(0, 1)) == 10.0
    assert CLOCKED.span_ms == (8.0, 12.0)


def test_without_energy_a_cost_has_none():
    assert TABLE.cost(Mode(0, 1))[4:] == (None, None, None)


def test_a_clock_that_is_not_in_the_table_is_refused():
    with pytest.raises(ValueError, match=r"clock_mhz=700: .* 600\.5, 1200$"):
        CLOCKED.cost(Mode(0, 1, 700))
    with pytest.raises(ValueError, match=r"clock_mhz=700: .* none$"):
        TABLE.cost(Mode(0, 1, 700))


def test_on_a_slow_device_each_clock_is_slow_and_energy_grows_with_the_time():
    slow = CLOCKED.slowed(lambda _: 2.0, reach_ms=6.0)
    assert slow.cost(Mode(0, 1, 600.5))[1:3] == (35.0, 43.0)
    assert slow.cost(Mode(0, 1, 600.5))[4:] == (180.0, 180.0, None)
    assert slow.cost(Mode(0, 1)).energy_mj == 160.0


def test_an_energy_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="energy_mj=nan"):
        ModeTable(((10.0,),), (), ((float("nan"),),), ((1.0,),))


@pytest.mark.parametrize(
    ("rows", "problem"), [(((),), "at least batch 1"), (((10.0, 0.0),), "latency_ms=0")]
)
def test_a_table_that_makes_no_sense_is_refused(rows, problem):
    with pytest.raises(ValueError, match=problem):
        ModeTable(rows)
