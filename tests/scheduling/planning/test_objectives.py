"""Plans in force, round after round, for each objective."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from moonjelly.core.mode import ModeTable
from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.objectives.joules import Joules
from moonjelly.scheduling.planning.objectives.port import Reaching
from moonjelly.scheduling.planning.objectives.price_search import price_for_power
from moonjelly.scheduling.planning.objectives.registry import ObjectiveOptions
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rounds import Planning
from moonjelly.scheduling.planning.rules import score, violations


def rounds(objective):
    return Planning(planner("pricing"), Random(0), TimeLimit(), objective=objective)


@pytest.fixture
def unpriced(fleet, clocked):
    """A fleet at half load."""
    problem = fleet(2, 10, seed=3)
    streams = tuple(replace(one, fps=one.fps / 2) for one in problem.streams)
    return clocked(replace(problem, streams=streams), 3, 0.0)


def test_rounds_lower_clocks_where_joules_count(unpriced):
    fast, slow = rounds(None), rounds(Joules(0.5))
    for decided in (fast, slow):
        decided.replan(unpriced)
        decided.replan(unpriced)
        assert decided.mistake is None
        assert violations(decided.problem, decided.plan) == []
    assert {one.mode.clock_mhz for one in fast.plan.devices} == {None}
    assert all(one.mode.clock_mhz for one in slow.plan.devices)
    before, after = score(unpriced, fast.plan), score(unpriced, slow.plan)
    assert after.num_served == before.num_served
    assert after.power.total_w < before.power.total_w


def test_who_joins_is_seated_at_a_clock_that_carries_everybody(unpriced):
    decided = rounds(Joules(0.05))
    decided.replan(replace(unpriced, streams=unpriced.streams[:-2]))
    answers = decided.admit(replace(unpriced, streams=unpriced.streams[:-2]), unpriced.streams[-2:])
    assert [one.refusal for one in answers] == [None, None]
    assert {one.stream_id for one in unpriced.streams} == decided.plan.placement.keys()
    assert all(one.mode.clock_mhz for one in decided.plan.devices)


def test_a_device_without_energy_is_told_and_planned_without_joules(unpriced):
    decided = rounds(Joules(0.05))
    table = unpriced.tables["gpu"]
    blind = replace(unpriced, tables={"gpu": ModeTable(table.p99_rows_ms, table.p50_rows_ms)})
    decided.replan(blind)
    assert "joules do not count" in decided.mistake.text
    assert decided.plan is not None
    assert violations(blind, decided.plan) == []


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_budget_is_met_where_everybody_can_be_served_within_it(unpriced, share):
    def drawn(price):
        priced = replace(unpriced, price_per_joule=price)
        return score(priced, planner("pricing").plan(priced, None, Random(0)))

    least, most = drawn(100.0), drawn(1e-6)
    budget_w = least.power.total_w + share * (most.power.total_w - least.power.total_w)
    objective = Joules(1e-6, budget_w)
    plan = Reaching(objective, planner("pricing")).plan(unpriced, None, Random(0))
    found = score(objective.priced(unpriced), plan)
    assert found.num_served == most.num_served
    assert found.power.total_w <= budget_w * (1 + 1e-9)
    assert found.accuracy_per_request >= least.accuracy_per_request - 1e-9


def test_no_price_is_needed_for_a_budget_that_is_wide(unpriced):
    assert price_for_power(unpriced, 1e6) == pytest.approx(1e-6)
    assert price_for_power(unpriced, 0.0) == pytest.approx(1e3)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"objective": "watts"}, "must be one of accuracy, capped, joules"),
        ({"objective": "joules"}, "takes either price_per_joule or energy_budget_w"),
        (
            {"objective": "joules", "price_per_joule": 1.0, "energy_budget_w": 5.0},
            "takes either price_per_joule or energy_budget_w",
        ),
        ({"energy_budget_w": 5.0}, "energy_budget_w=5.0: only with objective joules"),
        ({"objective": "joules", "price_per_joule": 1e9}, "price_per_joule=1000000000.0: must be"),
    ],
)
def test_options_that_contradict_each_other_are_refused(asked, words):
    with pytest.raises(ValueError, match=words):
        ObjectiveOptions(**asked)
