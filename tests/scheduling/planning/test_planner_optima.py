"""Brute force, the integer program and the default planner find the same optimum."""

from __future__ import annotations

import itertools
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.exact.brute_force import BruteForcePlanner
from moonjelly.scheduling.planning.exact.exact import ExactPlanner
from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.pricing.prices import Market
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rules import score, violations

from_fixture = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def merit(problem, plan):
    assert violations(problem, plan) == []
    result = score(problem, plan)
    return result.num_served, pytest.approx(result.accuracy_per_request, rel=1e-6)


@from_fixture
@given(seed=st.integers(0, 10**9))
def test_brute_force_and_the_integer_program_agree(small_problem, seed):
    problem = small_problem(seed)
    truth = merit(problem, BruteForcePlanner().plan(problem, None, Random(0)))
    solution = ExactPlanner().solve(problem)
    assert merit(problem, solution.plan) == truth
    assert solution.is_optimal


@pytest.mark.parametrize(("devices", "streams", "num_problems"), [(2, 6, 300), (3, 5, 60)])
def test_brute_force_and_the_default_agree(small_problem, devices, streams, num_problems):
    for seed in range(num_problems):
        problem = small_problem(seed, devices=devices, streams=streams)
        truth = merit(problem, BruteForcePlanner().plan(problem, None, Random(0)))
        assert merit(problem, planner("pricing").plan(problem, None, Random(0))) == truth, seed


@pytest.mark.parametrize(
    ("seed", "sizes"),
    [
        (55564653, {}),  # whom to serve: an exchange of one stream for another
        (1011, {"streams": 6}),
        (1021, {"devices": 3, "streams": 8, "variants": 4, "batches": 4}),  # fine units of rate
        (1104, {"devices": 3, "streams": 14, "variants": 5, "batches": 6}),
    ],
)
def test_the_default_finds_the_optimum_where_it_is_well_hidden(small_problem, seed, sizes):
    problem = small_problem(seed, **sizes)
    solution = ExactPlanner().solve(problem)
    assert solution.is_optimal
    truth = merit(problem, solution.plan)
    assert merit(problem, planner("pricing").plan(problem, None, Random(0))) == truth


def test_four_devices_and_twenty_four_streams_are_proved(fleet):
    problem = fleet(4, 24, seed=2)
    streams = tuple(
        replace(one, fps=(7, 12, 15, 24, 29.97)[number % 5])
        for number, one in enumerate(problem.streams)
    )
    for each in (problem, replace(problem, streams=streams)):
        solution = ExactPlanner(time_limit_s=240).solve(each)
        assert solution.is_optimal
        result = score(each, solution.plan)
        assert result.num_served == solution.served_bound
        assert result.accuracy_per_request == pytest.approx(solution.value_bound, rel=1e-4)


@from_fixture
@given(seed=st.integers(0, 10**9))
def test_no_baseline_is_better_than_the_optimum(small_problem, seed):
    problem = small_problem(seed)
    best = score(problem, BruteForcePlanner().plan(problem, None, Random(0)))
    for name in ("fixed", "greedy", "hill-climbing", "random", "sa-dp"):
        result = score(problem, planner(name).plan(problem, None, Random(seed)))
        assert result.num_served <= best.num_served
        if result.num_served == best.num_served:
            assert result.accuracy_per_request <= best.accuracy_per_request * (1 + 1e-9)


@from_fixture
@given(seed=st.integers(0, 10**9), factors=st.lists(st.floats(0, 3), min_size=2, max_size=2))
def test_the_relaxation_bounds_every_plan_at_any_prices(small_problem, seed, factors):
    problem = small_problem(seed, devices=3)
    instance = build(problem)
    if not instance.num_streams:
        return
    best = score(problem, BruteForcePlanner().plan(problem, None, Random(0)))
    market = Market(instance)
    streams = np.arange(instance.num_streams)
    num_devices = np.bincount(instance.types, minlength=instance.num_types)
    assert market.most_served(streams, num_devices) >= best.num_served
    if not best.num_served:
        return
    start = np.array(factors[: instance.num_types])
    total = sum(stream.fps for stream in problem.streams if problem.is_servable(stream))
    for prices in (
        market.prices(streams, num_devices, best.num_served),
        market.prices(streams, num_devices, best.num_served, start),
    ):
        assert prices.bound * instance.unit_fps / total >= best.accuracy_per_request * (1 - 1e-6)


def test_brute_force_says_so_when_a_problem_is_too_large(fleet):
    with pytest.raises(ValueError, match="brute force is for at most"):
        BruteForcePlanner().plan(fleet(4), None, Random(0))


def test_the_exact_planner_tells_when_time_ran_out(fleet):
    problem = fleet(3, seed=5)
    solution = ExactPlanner(time_limit_s=1e-3).solve(problem)
    result = score(problem, solution.plan)
    assert violations(problem, solution.plan) == []
    assert result.num_served <= solution.served_bound
    assert not solution.is_optimal
    assert result.accuracy_per_request < solution.value_bound


def test_no_program_is_built_for_which_there_is_no_time(fleet, monkeypatch):
    def fail(*_):
        raise AssertionError("takes longer than there is time")

    monkeypatch.setattr("moonjelly.scheduling.planning.exact.proof.FleetProgram", fail)
    problem = fleet(16, 120, seed=5)  # takes 15 s to build
    elapsed_ms = itertools.count()
    limit = TimeLimit(lambda: next(elapsed_ms) * 0.1)
    limit.start(200.0)
    solution = ExactPlanner(limit=limit).solve(problem)
    assert violations(problem, solution.plan) == []
    assert score(problem, solution.plan).num_served <= solution.served_bound


@pytest.mark.slow
def test_the_exact_planner_proves_two_devices_and_sixteen_streams(fleet):
    problem = fleet(2, 16, seed=1)
    solution = ExactPlanner(time_limit_s=240).solve(problem)
    assert solution.is_optimal
    result = score(problem, planner("pricing").plan(problem, None, Random(0)))
    assert result.num_served == solution.served_bound
    assert result.accuracy_per_request == pytest.approx(solution.value_bound, rel=1e-3)
