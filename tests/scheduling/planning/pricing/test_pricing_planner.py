"""The default planner: first plans, plans after small changes, limits."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from virtual_clock import VirtualClock

from moonjelly.core.device import Device
from moonjelly.core.mode import Mode, ModeTable
from moonjelly.core.plan import DevicePlan, Plan
from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.mapping import Mapper, assemble
from moonjelly.scheduling.planning.pricing.pricing import PricingPlanner
from moonjelly.scheduling.planning.published.sa_dp import SaDpPlanner
from moonjelly.scheduling.planning.rules import score, violations
from moonjelly.scheduling.planning.switching import SwitchingCost


class TickingClock(VirtualClock):
    """Each look at it takes a millisecond."""

    def now_ms(self):
        self.advance_to(super().now_ms() + 1.0)
        return super().now_ms()


def plan_of(problem, previous=None, planner=None):
    plan = (planner or PricingPlanner()).plan(problem, previous, Random(0))
    assert violations(problem, plan) == []
    return plan


def test_it_serves_as_many_as_the_published_algorithm_and_sees_better(fleet):
    for seed in range(3):
        problem = fleet(4, 24, seed=seed)
        ours = score(problem, plan_of(problem))
        published = score(problem, SaDpPlanner().plan(problem, None, Random(0)))
        assert ours.num_served >= published.num_served
        if ours.num_served == published.num_served:
            assert ours.accuracy_per_request >= published.accuracy_per_request * 0.999


def test_in_overload_it_serves_more_than_the_published_algorithm(fleet):
    problem = fleet(4, 200)
    ours = score(problem, plan_of(problem))
    published = score(problem, SaDpPlanner().plan(problem, None, Random(0)))
    assert ours.served_ratio < 1
    assert ours.num_served > published.num_served


def test_the_seed_does_not_matter(fleet):
    problem = fleet(6)
    assert PricingPlanner().plan(problem, None, Random(1)) == plan_of(problem)


def test_planning_again_changes_nothing(fleet):
    problem = fleet(8)
    plan = plan_of(problem)
    assert plan_of(problem, plan) == plan


def test_one_slower_link_moves_few_streams(fleet):
    problem = fleet(8, seed=2)
    plan = plan_of(problem)
    slower = replace(problem.streams[7], bandwidth_kbps=problem.streams[7].bandwidth_kbps / 2)
    changed = replace(problem, streams=(*problem.streams[:7], slower, *problem.streams[8:]))
    again = plan_of(changed, plan)
    moved = [name for name in plan.placement if plan.placement[name] != again.placement[name]]
    loaded = [
        one.device_id
        for one, other in zip(plan.devices, again.devices, strict=True)
        if one.mode.variant != other.mode.variant
    ]
    assert score(changed, again).num_served == score(problem, plan).num_served
    assert len(moved) <= 24
    assert len(loaded) <= 3


def test_a_new_stream_is_placed_and_the_others_stay_served(fleet):
    problem = fleet(8, 60)
    plan = plan_of(replace(problem, streams=problem.streams[:-1]))
    assert None not in plan_of(problem, plan).placement.values()


def test_a_gain_below_the_threshold_is_not_taken(fleet):
    problem = fleet(4, 24)
    poor = PricingPlanner(steps=1).plan(problem, None, Random(0))
    eager = plan_of(problem, poor, PricingPlanner(switching=SwitchingCost(0.0)))
    assert score(problem, eager).accuracy_per_request > score(problem, poor).accuracy_per_request
    lazy = plan_of(problem, poor, PricingPlanner(switching=SwitchingCost(1.0)))
    assert [one.mode.variant for one in lazy.devices] == [one.mode.variant for one in poor.devices]
    assert lazy.placement == poor.placement


@pytest.mark.parametrize("num_devices", [1, 2, 4])
def test_a_plan_in_force_that_is_poor_is_left(fleet, num_devices):
    problem = fleet(num_devices, 3 * num_devices)
    best = score(problem, plan_of(problem))
    smallest = [0] * num_devices
    poor = assemble(problem, smallest, Mapper(problem).assign(smallest))
    again = score(problem, plan_of(problem, poor))
    assert again.num_served == best.num_served
    assert again.accuracy_per_request > 0.9 * best.accuracy_per_request


def test_a_lost_device_is_made_up_for(fleet):
    problem = fleet(8, 48)
    plan = plan_of(problem)
    fewer = replace(problem, devices=problem.devices[:-1])
    again = plan_of(fewer, plan)
    assert None not in again.placement.values()


def test_a_fresh_plan_loads_as_few_variants_as_can_be(fleet):
    problem = fleet(8, 48)
    plan = plan_of(problem)
    # The same problem under other names of streams: everybody has to be placed anew.
    renamed = tuple(replace(one, stream_id=f"n{one.stream_id}") for one in problem.streams)
    again = plan_of(replace(problem, streams=renamed), plan)
    before = sorted(one.mode.variant for one in plan.devices)
    if sorted(one.mode.variant for one in again.devices) == before:
        assert [one.mode.variant for one in again.devices] == [
            one.mode.variant for one in plan.devices
        ]
    same = sum(
        one.mode.variant == other.mode.variant
        for one, other in zip(plan.devices, again.devices, strict=True)
    )
    assert same >= 6


def test_a_plan_of_another_server_is_no_obstacle(fleet):
    problem = fleet(3, 20)
    strange = Plan(
        (DevicePlan.of("d0", Mode(99, 50)), DevicePlan.of("gone", Mode(1, 1))),
        {"c0": "d0", "x": "gone"},
    )
    assert None not in plan_of(problem, strange).placement.values()


def test_more_time_never_makes_a_plan_worse(fleet):
    problem = fleet(6)
    results = []
    for steps in (1, 30, 300, 3000):
        result = score(problem, plan_of(problem, planner=PricingPlanner(steps=steps)))
        results.append((result.num_served, result.accuracy_per_request))
    assert results == sorted(results)
    assert results[-1] > results[0]


def test_it_stops_at_the_deadline_with_a_sound_plan(fleet):
    problem = fleet(6)
    clock = TickingClock()
    limit = TimeLimit(clock.now_ms)
    limit.start(5)
    hurried = plan_of(problem, planner=PricingPlanner(10**9, limit))
    assert clock.now_ms() < 20
    assert score(problem, hurried).num_served > 0


def test_a_device_type_that_can_run_nothing_is_left_idle(fleet):
    problem = fleet(2, 12)
    hopeless = ModeTable(tuple((5000.0,) for _ in problem.variants))
    mixed = replace(
        problem,
        devices=(Device("slow", "stone"), *problem.devices),
        tables={**problem.tables, "stone": hopeless},
    )
    plan = plan_of(mixed)
    assert "slow" not in plan.placement.values()
    assert score(mixed, plan) == score(problem, plan_of(problem))


@pytest.mark.slow
def test_a_large_fleet_is_planned_near_its_bound(fleet):
    problem = fleet(128)
    result = score(problem, plan_of(problem))
    assert result.num_served == result.num_servable
    assert result.accuracy_per_request > 0.27
