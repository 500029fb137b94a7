from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.planning.subset_sum import common_unit_fps, heaviest_subset

COMMON_RATES = (5, 7, 10, 12, 12.5, 15, 24, 25, 29.97, 30, 60)


def best_total(rates, limits):
    """By trying all subsets."""
    return max(
        math.fsum(rates[i] for i in subset)
        for size in range(len(rates) + 1)
        for subset in combinations(range(len(rates)), size)
        if not subset or math.fsum(rates[i] for i in subset) <= limits[subset[-1]]
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(COMMON_RATES), min_size=1, max_size=8), st.data())
def test_common_rates_are_packed_as_well_as_can_be(rates, data):
    limit = st.floats(1, sum(rates) + 10)
    limits = sorted(data.draw(st.lists(limit, min_size=len(rates), max_size=len(rates))))[::-1]
    chosen = heaviest_subset(rates, limits, common_unit_fps(rates))
    total = math.fsum(rates[i] for i in chosen)
    # A limit that is met exactly counts as passed.
    assert total >= best_total(rates, [limit * (1 - 1e-8) for limit in limits]) * (1 - 1e-9)
    assert not chosen or total <= limits[chosen[-1]]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=8), st.data())
def test_any_rates_are_packed_almost_as_well_and_never_too_full(rates, data):
    limit = st.floats(1e-3, sum(rates))
    limits = sorted(data.draw(st.lists(limit, min_size=len(rates), max_size=len(rates))))[::-1]
    chosen = heaviest_subset(rates, limits, common_unit_fps(rates))
    total = math.fsum(rates[i] for i in chosen)
    assert chosen == sorted(set(chosen))
    assert not chosen or total <= limits[chosen[-1]]
    # What rounding up may cost: a limit that was a little lower would have been met exactly.
    rounding = len(rates) * min(limits[0], sum(rates)) / 2**15
    assert total >= best_total(rates, [limit - rounding for limit in limits])


def test_equal_totals_go_to_those_who_come_first():
    assert heaviest_subset([25, 25, 15, 15], [70, 70, 70, 70], 5) == [0, 1, 2]


def test_a_later_stream_lowers_the_limit_for_all():
    assert heaviest_subset([10, 10, 10], [100, 100, 15], 10) == [0, 1]


@pytest.mark.parametrize(
    ("rates", "unit"),
    [
        ((15, 25, 30), 5),
        ((7, 12), 1),
        ((12.5, 10), 2.5),
        ((29.97,), 29.97),
        ((30000 / 1001, 30), 30 / 1001),
        ((0.1, 0.25), 0.05),
    ],
)
def test_simple_rates_have_a_common_unit(rates, unit):
    assert common_unit_fps(rates) == pytest.approx(unit)


@pytest.mark.parametrize("rates", [(math.pi,), (10, 1e-9), (2**0.5, 3)])
def test_odd_rates_have_none(rates):
    assert common_unit_fps(rates) is None
