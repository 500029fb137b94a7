"""Plans that count joules: brute force, the integer program and the default agree, and clocks are chosen as they should be."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonjelly.core.mode import Mode
from moonjelly.core.plan import DevicePlan
from moonjelly.scheduling.planning.exact.brute_force import BruteForcePlanner
from moonjelly.scheduling.planning.exact.exact import ExactPlanner
from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.joule_steps import joule_steps
from moonjelly.scheduling.planning.pricing.prices import Market
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rules import device_power, score, violations
from moonjelly.scheduling.planning.seats import carry_over

from_fixture = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
prices = st.sampled_from(
    [1e-4, 0.05, 0.3, 1.0, 10.0]
)  # from next to nothing to more than any frame is worth


def merit(problem, plan):
    assert violations(problem, plan) == []
    result = score(problem, plan)
    return result.num_served, pytest.approx(result.value_per_request, rel=1e-6, abs=1e-9)


@from_fixture
@given(seed=st.integers(0, 10**9), price=prices)
def test_brute_force_and_the_integer_program_agree(small_problem, clocked, seed, price):
    problem = clocked(small_problem(seed, streams=4), seed, price)
    truth = merit(problem, BruteForcePlanner().plan(problem, None, Random(0)))
    solution = ExactPlanner().solve(problem)
    assert merit(problem, solution.plan) == truth
    assert solution.is_optimal


@pytest.mark.parametrize("price", [0.05, 0.5, 5.0])
def test_brute_force_and_the_default_agree(small_problem, clocked, price):
    for seed in range(60):
        problem = clocked(small_problem(seed, streams=5), seed, price)
        truth = merit(problem, BruteForcePlanner().plan(problem, None, Random(0)))
        assert merit(problem, planner("pricing").plan(problem, None, Random(0))) == truth, seed


@from_fixture
@given(seed=st.integers(0, 10**9), price=prices)
def test_the_relaxation_bounds_every_plan(small_problem, clocked, seed, price):
    problem = clocked(small_problem(seed, streams=4), seed, price)
    instance = build(problem)
    if not instance.num_streams:
        return
    best = score(problem, BruteForcePlanner().plan(problem, None, Random(0)))
    if best.num_served:
        total_fps = sum(one.fps for one in problem.streams if problem.is_servable(one))
        bound = Market(instance).of_all(best.num_served).bound * instance.unit_fps / total_fps
        assert bound >= best.value_per_request - 1e-6 * abs(best.value_per_request) - 1e-9


@from_fixture
@given(seed=st.integers(0, 10**9), price=prices)
def test_lanes_hold_modes_that_carry_more_and_are_worth_no_less(
    small_problem, clocked, seed, price
):
    instance = build(clocked(small_problem(seed, variants=3, batches=5), seed, price))
    inside = ~instance.starts_lane[1:]
    assert (np.diff(instance.values)[inside] >= 0).all()
    assert (np.diff(instance.capacities)[inside] >= 0).all()


@from_fixture
@given(seed=st.integers(0, 10**9))
def test_without_a_price_clocks_change_nothing(small_problem, clocked, seed):
    problem = small_problem(seed)
    plain = planner("pricing").plan(problem, None, Random(0))
    with_clocks = planner("pricing").plan(clocked(problem, seed, 0.0), None, Random(0))
    assert with_clocks == plain


@from_fixture
@given(seed=st.integers(0, 10**9), price=prices)
def test_a_dearer_joule_never_takes_more_power_nor_gains_accuracy(
    small_problem, clocked, seed, price
):
    cheap = clocked(small_problem(seed, streams=4), seed, price)
    dear = replace(cheap, price_per_joule=3 * price)
    before, after = (
        score(one, BruteForcePlanner().plan(one, None, Random(0))) for one in (cheap, dear)
    )
    assert after.num_served == before.num_served
    assert after.power.total_w <= before.power.total_w * (1 + 1e-9)
    assert after.accuracy_per_request <= before.accuracy_per_request + 1e-9


@from_fixture
@given(seed=st.integers(0, 10**9), price=prices)
def test_what_is_carried_over_runs_at_the_clock_of_least_energy(
    small_problem, clocked, seed, price
):
    problem = clocked(small_problem(seed), seed, price)
    fast = planner("pricing").plan(replace(problem, price_per_joule=0.0), None, Random(0))
    kept = carry_over(problem, fast)
    assert violations(problem, kept) == []
    assert score(problem, kept).num_served == score(problem, fast).num_served
    power, fast_power = device_power(problem, kept), device_power(problem, fast)
    for device in problem.devices:
        assert power[device.device_id].above_idle_w <= fast_power[device.device_id].above_idle_w * (
            1 + 1e-9
        )


def test_power_is_idle_power_and_what_frames_take_above_it(golden, clocked):
    problem = clocked(golden, 1, 0.2)
    plan = planner("pricing").plan(problem, None, Random(0))
    result = score(problem, plan)
    watts = 2 * 3.0
    for device in plan.devices:
        fps = sum(
            one.fps for one in problem.streams if plan.placement[one.stream_id] == device.device_id
        )
        watts += fps * problem.tables["gpu"].cost(device.mode).above_idle_mj / 1000
    assert result.power.total_w == pytest.approx(watts)
    assert result.value_per_request < result.accuracy_per_request


def test_an_idle_device_is_planned_at_its_lowest_clock(golden, clocked):
    problem = replace(clocked(golden, 1, 0.2), streams=())
    plan = planner("pricing").plan(problem, None, Random(0))
    assert [one.mode for one in plan.devices] == [Mode(0, 1, 400.0)] * 2


def test_a_price_needs_a_table_of_energy(golden):
    with pytest.raises(
        ValueError, match=r"price_per_joule=0.1: device gpu0 has no table of energy"
    ):
        replace(golden, price_per_joule=0.1)


def test_a_clock_that_the_table_lacks_breaks_a_rule(golden, clocked):
    problem = clocked(golden, 1, 0.2)
    plan = planner("pricing").plan(problem, None, Random(0))
    first = replace(
        plan.devices[0], berths=(replace(plan.devices[0].berths[0], mode=Mode(0, 1, 500.0)),)
    )
    assert violations(problem, replace(plan, devices=(first, *plan.devices[1:]))) == [
        "gpu0: no clock of 500 MHz"
    ]


@from_fixture
@given(seed=st.integers(0, 10**9), price=prices)
def test_what_a_joule_buys_is_as_explained(small_problem, clocked, seed, price):
    problem = clocked(small_problem(seed, variants=3), seed, price)
    plan = planner("pricing").plan(problem, None, Random(0))
    before = device_power(problem, plan)
    value = score(problem, plan).value_per_request
    for one in joule_steps(problem, plan):
        assert one.above_idle_w == pytest.approx(before[one.device_id].above_idle_w)
        for step, is_dearer in ((one.dearer, True), (one.cheaper, False)):
            if step is None:
                continue
            assert step.accuracy_gain > 0 if is_dearer else step.energy_ratio < 1
            devices = tuple(
                DevicePlan.of(one.device_id, step.mode) if each.device_id == one.device_id else each
                for each in plan.devices
            )
            other = replace(plan, devices=devices)
            assert violations(problem, other) == []
            after = device_power(problem, other)[one.device_id].above_idle_w
            assert after == pytest.approx(step.energy_ratio * one.above_idle_w)
            # Else the plan would have it.
            assert score(problem, other).value_per_request <= value + 1e-6 * abs(value) + 1e-9
