"""Of many clocks those are kept that plans need."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.pricing.construct import to_plan
from moonjelly.scheduling.planning.pricing.prices import Market
from moonjelly.scheduling.planning.pricing.pricing import first_plan
from moonjelly.scheduling.planning.pricing.selection import modes_worth_a_look, only
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rules import score, violations

CLOCKS_MHZ = tuple(np.linspace(200.0, 1400.0, 14).tolist())


@pytest.fixture
def many_clocks(fleet, clocked):
    def make(seed, price, load=0.5):
        problem = fleet(2, 12, seed=seed)
        streams = tuple(replace(one, fps=load * one.fps) for one in problem.streams)
        return clocked(replace(problem, streams=streams), seed, price, CLOCKS_MHZ)

    return make


@pytest.mark.parametrize("price", [0.02, 0.2])
def test_all_modes_at_the_highest_clock_are_kept_and_the_best_lanes_of_others(many_clocks, price):
    instance = build(many_clocks(1, price))
    modes = modes_worth_a_look(instance)
    kept = only(instance, modes)
    assert (np.diff(modes) > 0).all()
    assert len(modes) < len(instance.values)
    highest = instance.mode_clock == CLOCKS_MHZ[-1]
    assert set(np.flatnonzero(highest)) <= set(modes.tolist())
    assert kept.starts_lane.sum() == (1 + 8 / 2) * instance.starts_lane[highest].sum()
    assert kept.fits.any(axis=1).all()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("price", [0.02, 0.2])
def test_plans_are_as_good_as_with_all_modes(many_clocks, seed, price):
    problem = many_clocks(seed, price)
    plan = planner("pricing").plan(problem, None, Random(0))
    assert violations(problem, plan) == []
    instance = build(problem)
    every = to_plan(instance, first_plan(instance, Market(instance)), None)
    found, best = score(problem, plan), score(problem, every)
    assert found.num_served == best.num_served
    assert found.value_per_request >= best.value_per_request - 0.004 * abs(best.value_per_request)


def test_without_a_price_nothing_is_left_out(many_clocks):
    instance = build(replace(many_clocks(1, 0.1), price_per_joule=0.0))
    assert only(instance, modes_worth_a_look(instance)) is instance
