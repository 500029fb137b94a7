"""Bounds of problems by pooled devices."""

from __future__ import annotations

from random import Random

import pytest
from planning_bounds import bound, write_yardsticks

from moonjelly.planning_tool.yardsticks import Yardstick, read_yardsticks
from moonjelly.scheduling.planning.exact.exact import ExactPlanner
from moonjelly.scheduling.planning.rules import score
from moonjelly.simulation.studies.families import FAMILIES, draw_named

LIMIT_S = 30.0


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_plan_is_better_than_its_bound(family, seed):
    _, problem = draw_named(family, 2, 2 * family.clients_per_device[-1], seed)
    best = score(problem, ExactPlanner(LIMIT_S).plan(problem, None, Random(0)))
    known = bound(problem, LIMIT_S)
    assert known.served_bound >= best.num_served
    if known.served_bound == best.num_served:
        assert known.accuracy_bound >= best.accuracy_per_request * (1 - 1e-6)


def test_one_device_is_bounded_by_its_optimum():
    _, problem = draw_named(FAMILIES[3], 1, 12, 4)
    best = score(problem, ExactPlanner(LIMIT_S).plan(problem, None, Random(0)))
    known = bound(problem, LIMIT_S)
    assert known == Yardstick(
        best.num_served, pytest.approx(best.accuracy_per_request, rel=1e-3), is_proved=True
    )


def test_a_problem_nobody_can_be_served_in_is_bounded_by_nothing():
    _, problem = draw_named(FAMILIES[0], 1, 0, 1)
    assert bound(problem, LIMIT_S) == Yardstick(0, 0.0, is_proved=True)


def test_a_table_is_read_as_it_was_written(tmp_path):
    table = {"b": Yardstick(3, 0.25, is_proved=True), "a": Yardstick(0, 0.0)}
    write_yardsticks(tmp_path / "table.csv", table, "how it was made")
    assert read_yardsticks(tmp_path / "table.csv") == table
    assert (tmp_path / "table.csv").read_text().startswith("# command: how it was made\n")
