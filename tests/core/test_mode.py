from __future__ import annotations

import pytest

from moonjelly.core.mode import NEVER_MS, Mode, ModeCost, ModeTable

TABLE = ModeTable(((10.0, 14.0), (30.0,)), ((8.0, 12.0), (25.0,)))


def test_a_table_knows_the_modes_of_each_variant():
    assert TABLE.num_variants == 2
    assert TABLE.modes(0) == (Mode(0, 1), Mode(0, 2))
    assert TABLE.modes(1) == (Mode(1, 1),)


def test_a_table_answers_for_a_mode():
    mode = Mode(0, 2)
    assert TABLE.p99_ms(mode) == 14.0
    assert TABLE.cost(mode) == ModeCost(mode, 12.0, 14.0, pytest.approx(2000 / 14))


def test_where_only_the_tail_is_known_it_stands_for_the_median():
    assert ModeTable(((10.0,),)).cost(Mode(0, 1)).p50_ms == 10.0


def test_on_a_slow_device_all_takes_longer_and_what_is_broken_for_ever():
    slow = TABLE.slowed(2.0, broken={1})
    assert slow.cost(Mode(0, 1))[1:3] == (16.0, 20.0)
    assert slow.cost(Mode(1, 1))[1:3] == (NEVER_MS, NEVER_MS)


@pytest.mark.parametrize(
    ("rows", "problem"), [(((),), "at least batch 1"), (((10.0, 0.0),), "latency_ms=0")]
)
def test_a_table_that_makes_no_sense_is_refused(rows, problem):
    with pytest.raises(ValueError, match=problem):
        ModeTable(rows)
