"""Drawn families of planning problems, and the bounds that are kept of them."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from moonjelly.planning_tool.yardsticks import read_yardsticks
from moonjelly.scheduling.planning.pricing.pricing import PricingPlanner
from moonjelly.scheduling.planning.rules import score, violations
from moonjelly.simulation.studies.families import FAMILIES, draw_benchmark, draw_named

BOUNDS = read_yardsticks(Path(__file__).parents[3] / "benchmarks" / "planning_bounds.csv")
BY_NAME = {family.name: family for family in FAMILIES}


def test_the_arguments_fix_a_problem():
    one, again, other = (draw_named(BY_NAME["mixed"], 4, 12, seed)[1] for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_clients_are_drawn_from_what_the_family_says(name):
    family = BY_NAME[name]
    title, problem = draw_named(family, 8, 400, 3)
    assert title == f"{name}-g8-c400-s3"
    assert {client.fps for client in problem.streams} == set(family.clients.rates_fps)
    assert {client.slo_ms for client in problem.streams} == set(family.clients.slos_ms)
    for field in ("bandwidth_kbps", "wire_ms"):
        least, most = getattr(family.clients, field)
        values = [getattr(client, field) for client in problem.streams]
        assert least <= min(values) <= least + 0.1 * (most - least)
        assert most - 0.1 * (most - least) <= max(values) <= most
    assert {device.device_type for device in problem.devices} <= set(family.slowness)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_larger_variants_are_slower_and_see_better(name):
    problem = BY_NAME[name].draw(1, 1, Random(5))
    accuracies = [variant.accuracy for variant in problem.variants]
    assert accuracies == sorted(accuracies)
    for table in problem.tables.values():
        rows = table.p99_rows_ms
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert all(list(row) == sorted(row) for row in rows)


def test_a_bound_is_kept_of_every_problem_of_the_benchmark():
    assert set(BOUNDS) == {name for name, _ in draw_benchmark()}


@pytest.mark.parametrize("name", ["overload-g8-c96-s2", "overload-g8-c96-s9", "overload-g8-c64-s5"])
def test_overload_on_eight_devices_is_planned_as_well_as_can_be(name):
    problem = dict(draw_benchmark())[name]
    plan = PricingPlanner().plan(problem, None, Random(0))
    assert not violations(problem, plan)
    result = score(problem, plan)
    assert result.num_served == BOUNDS[name].served_bound
    assert result.accuracy_per_request >= BOUNDS[name].accuracy_bound * (1 - 0.002)
    assert result.accuracy_per_request <= BOUNDS[name].accuracy_bound * (1 + 1e-5)
