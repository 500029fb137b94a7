"""A few devices are planned anew exactly."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.pricing.prices import Market
from moonjelly.scheduling.planning.pricing.refill import refill
from moonjelly.scheduling.planning.pricing.regroup import Regrouper
from moonjelly.scheduling.planning.pricing.regroup_many import regroup_many

from_fixture = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def best_value(instance, devices, streams):
    """The most weight x accuracy when these devices serve all these streams; None if they cannot."""
    modes = [np.flatnonzero(instance.mode_type == instance.types[device]) for device in devices]
    best = None
    for chosen in product(*modes):
        for places in product(range(len(devices)), repeat=len(streams)):
            loads = [0] * len(devices)
            for stream, place in zip(streams, places, strict=True):
                loads[place] += instance.weights[stream]
            if all(loads[n] <= instance.capacities[mode] for n, mode in enumerate(chosen)) and all(
                instance.fits[stream, chosen[place]]
                for stream, place in zip(streams, places, strict=True)
            ):
                value = sum(
                    load * instance.accuracies[mode]
                    for load, mode in zip(loads, chosen, strict=True)
                )
                best = value if best is None else max(best, value)
    return best


def check(instance, types, streams, group, truth):
    if truth is None:
        assert group is None
        return
    assert group.value == pytest.approx(truth)
    assert sorted(stream for members in group.members for stream in members) == streams
    value = 0.0
    for number, mode, members in zip(types, group.modes, group.members, strict=True):
        assert instance.mode_type[mode] == number
        assert instance.fits[members, mode].all()
        load = instance.weights[members].sum()
        assert load <= instance.capacities[mode]
        value += load * instance.accuracies[mode]
    assert value == pytest.approx(group.value)


@from_fixture
@given(seed=st.integers(0, 10**9))
def test_a_pair_gets_the_best_it_can(small_problem, seed):
    instance = build(small_problem(seed, streams=4))
    assume(instance.num_devices == 2 and instance.num_streams)
    streams = list(range(instance.num_streams))
    types = instance.types.tolist()
    group = Regrouper(instance).pair(*types, streams, -1.0)
    check(instance, types, streams, group, best_value(instance, [0, 1], streams))


@from_fixture
@given(seed=st.integers(0, 10**9))
def test_three_get_the_best_they_can(small_problem, seed):
    instance = build(small_problem(seed, devices=3, streams=4))
    assume(instance.num_devices == 3 and instance.num_streams)
    streams = list(range(instance.num_streams))
    types = instance.types.tolist()
    truth = best_value(instance, [0, 1, 2], streams)
    group, is_complete = regroup_many(Regrouper(instance), Market(instance), types, streams, -1.0)
    assert is_complete
    check(instance, types, streams, group, truth)


@from_fixture
@given(seed=st.integers(0, 10**9))
def test_what_is_not_better_is_not_returned(small_problem, seed):
    instance = build(small_problem(seed, streams=4))
    assume(instance.num_devices == 2 and instance.num_streams)
    streams = list(range(instance.num_streams))
    regrouper = Regrouper(instance)
    best = regrouper.pair(*instance.types.tolist(), streams, -1.0)
    assume(best is not None)
    assert regrouper.pair(*instance.types.tolist(), streams, best.value) is None


@from_fixture
@given(seed=st.integers(0, 10**9))
def test_one_device_is_refilled_with_most_streams_then_most_value(small_problem, seed):
    instance = build(small_problem(seed, devices=1, streams=6))
    assume(instance.num_streams)
    pool = list(range(instance.num_streams))
    truth = (0, 0.0)
    for mode in range(len(instance.capacities)):
        for chosen in product([False, True], repeat=len(pool)):
            members = [stream for stream, taken in zip(pool, chosen, strict=True) if taken]
            load = int(instance.weights[members].sum())
            if instance.fits[members, mode].all() and load <= instance.capacities[mode]:
                truth = max(truth, (len(members), load * float(instance.accuracies[mode])))
    mode, members = refill(instance, 0, pool)
    value = float(instance.weights[members].sum() * instance.accuracies[mode])
    assert (len(members), value) == (truth[0], pytest.approx(truth[1]))
    assert refill(instance, 0, pool, *truth) is None
