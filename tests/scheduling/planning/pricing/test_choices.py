"""Choices of modes: all of them are met once, and what each could carry is a bound."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.pricing.choices import Carrying, choices, in_order_of_value


def best_packing(instance, modes):
    """The most weight x accuracy that devices in these modes serve, and whether they can serve all."""
    best, serves_all = 0.0, False
    for places in product(range(-1, len(modes)), repeat=instance.num_streams):
        loads = [0] * len(modes)
        for stream, place in enumerate(places):
            if place >= 0:
                loads[place] += int(instance.weights[stream])
        keeps_limits = all(
            load <= instance.capacities[mode] for load, mode in zip(loads, modes, strict=True)
        )
        if keeps_limits and all(
            place < 0 or instance.fits[stream, modes[place]] for stream, place in enumerate(places)
        ):
            value = sum(
                load * instance.accuracies[mode] for load, mode in zip(loads, modes, strict=True)
            )
            best = max(best, float(value))
            serves_all |= -1 not in places
    return best, serves_all


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**9), size=st.integers(1, 3))
def test_what_a_choice_could_carry_bounds_what_it_carries(small_problem, seed, size):
    instance = build(small_problem(seed, streams=4))
    assume(instance.num_streams)
    carrying = Carrying(instance.fits, instance.weights, instance.capacities, instance.accuracies)
    every = np.array(
        list(combinations_with_replacement(range(len(instance.capacities)), size))[::7], np.int64
    )
    modes, slot_of = in_order_of_value(every, instance.accuracies)
    assert (np.take_along_axis(every, slot_of, axis=1) == modes).all()
    bounds, carries_all = carrying.bounds(modes)
    for chosen, bound, can in zip(modes.tolist(), bounds, carries_all, strict=True):
        best, serves_all = best_packing(instance, chosen)
        assert best <= bound * (1 + 1e-9)
        assert can or not serves_all


@given(
    st.lists(st.integers(-6, 0), min_size=1, max_size=5),
    st.lists(st.integers(-6, 0), min_size=1, max_size=5),
    st.integers(0, 15),
    st.sampled_from([(0, 0), (0, 1), (0, 0, 1), (0, 1, 1), (0, 0, 0, 1)]),
)
def test_every_choice_within_the_gap_is_met_once(first, second, gap, slots):
    listed = {
        number: (np.arange(len(values)), np.array(sorted(values, reverse=True), np.float64))
        for number, values in enumerate((first, second))
    }
    met = [tuple(row) for some in choices(slots, listed, float(gap)) for row in some.tolist()]
    expected = {
        choice
        for choice in product(*(range(len(listed[number][0])) for number in slots))
        if sum(listed[n][1][position] for n, position in zip(slots, choice, strict=True)) >= -gap
        and all(
            choice[k] <= choice[k + 1] for k in range(len(slots) - 1) if slots[k] == slots[k + 1]
        )
    }
    assert len(met) == len(set(met))
    assert set(met) == expected


def test_splitting_is_what_the_bound_allows(small_problem):
    instance = build(small_problem(1, devices=1, streams=6))
    carrying = Carrying(instance.fits, instance.weights, instance.capacities, instance.accuracies)
    mode = int(instance.fits.sum(axis=0).argmax())
    fitting = instance.weights[instance.fits[:, mode]].sum()
    (bound,), _ = carrying.bounds(np.array([[mode]]))
    assert bound == pytest.approx(
        min(fitting, instance.capacities[mode]) * instance.accuracies[mode]
    )
