"""Caps of power are kept by every plan, whatever comes."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.objectives.capped import Capped
from moonjelly.scheduling.planning.objectives.caps import PowerCaps
from moonjelly.scheduling.planning.objectives.port import Reaching
from moonjelly.scheduling.planning.objectives.price_search import power_w
from moonjelly.scheduling.planning.objectives.registry import ObjectiveOptions
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rounds import Planning
from moonjelly.scheduling.planning.rules import device_power, score, violations

from_fixture = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
shares = st.floats(0.02, 1.1)


def made(problem, objective=None):
    chosen = planner("pricing")
    chosen = Reaching(objective, chosen) if objective else chosen
    return chosen.plan(problem, None, Random(0))


def cap_w(problem, share):
    """Between idle and what the most accurate plan draws."""
    idle_w = 3.0 * len(problem.devices)
    return idle_w + share * max(power_w(problem, made(problem)) - idle_w, 1.0)


@from_fixture
@given(seed=st.integers(0, 10**9), share=shares)
def test_a_cap_of_all_devices_is_kept(small_problem, clocked, seed, share):
    problem = clocked(small_problem(seed, streams=6), seed, 0.0)
    most_w = cap_w(problem, share)
    objective = Capped(PowerCaps(most_w))
    plan = made(problem, objective)
    assert violations(problem, plan) == []
    assert power_w(problem, plan) <= most_w * (1 + 1e-9)
    cheapest = made(replace(problem, price_per_joule=1e3))
    if power_w(problem, cheapest) <= most_w:
        assert score(problem, plan).num_served == score(problem, cheapest).num_served
    assert (
        score(problem, plan).accuracy_per_stream
        <= score(problem, made(problem)).accuracy_per_stream + 1e-9
    )


@from_fixture
@given(seed=st.integers(0, 10**9), share=shares)
def test_a_cap_of_one_device_is_kept(small_problem, clocked, seed, share):
    problem = clocked(small_problem(seed, streams=6), seed, 0.0)
    most_w = 3.0 + share * 10
    objective = Capped(PowerCaps(None, {"d0": most_w}))
    plan = made(problem, objective)
    assert violations(objective.priced(problem), plan) == []
    assert device_power(problem, plan)["d0"].total_w <= most_w


@pytest.mark.parametrize("name", ["exact", "brute-force"])
def test_the_others_keep_caps_of_devices_and_agree(small_problem, clocked, name):
    for seed in range(12):
        problem = clocked(small_problem(seed, streams=4), seed, 0.0)
        objective = Capped(PowerCaps(None, {"d0": 6.0}))
        capped = objective.priced(problem)
        found, truth = (
            score(capped, Reaching(objective, planner(one)).plan(problem, None, Random(0)))
            for one in ("pricing", name)
        )
        assert found.num_served == truth.num_served
        assert found.value_per_request == pytest.approx(truth.value_per_request, rel=1e-6, abs=1e-9)


def test_a_wide_cap_changes_no_accuracy(fleet, clocked):
    problem = clocked(fleet(2, 10, seed=3), 3, 0.0)
    free, capped = (score(problem, made(problem, one)) for one in (None, Capped(PowerCaps(1e6))))
    assert capped.num_served == free.num_served
    assert capped.accuracy_per_request == pytest.approx(free.accuracy_per_request, abs=1e-4)


def test_no_plan_of_a_server_is_above_the_cap_whatever_the_load(fleet, clocked):
    random = Random(5)
    problem = clocked(fleet(2, 12, seed=5), 5, 0.0)
    most_w = 20.0
    objective = Capped(PowerCaps(most_w))
    decided = Planning(planner("pricing"), Random(0), TimeLimit(), objective=objective)
    for _ in range(25):
        some = [one for one in problem.streams if random.random() < 0.8]
        load = random.choice([0.1, 0.3, 1.0, 2.0])
        streams = tuple(
            replace(
                one, fps=load * one.fps, bandwidth_kbps=random.uniform(0.3, 2) * one.bandwidth_kbps
            )
            for one in some
        )
        now = replace(problem, streams=streams[:-2])
        decided.replan(now)
        assert decided.mistake is None
        assert violations(now, decided.plan) == []
        assert power_w(now, decided.plan) <= most_w * (1 + 1e-9)
        answers = decided.admit(now, streams[-2:])
        admitted = tuple(one.stream for one in answers if one.refusal is None)
        opened = replace(now, streams=now.streams + admitted)
        decided.replan(opened)
        assert power_w(opened, decided.plan) <= most_w * (1 + 1e-9)


def test_a_cap_below_idle_power_is_told_and_changes_no_plan(golden, clocked):
    problem = clocked(golden, 1, 0.0)
    objective = Capped(PowerCaps(6.0))
    decided = Planning(planner("pricing"), Random(0), TimeLimit(), objective=objective)
    decided.replan(problem)
    assert "must be above the 6 W that the devices draw while nothing runs" in decided.mistake.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("much", "must be W, or DEVICE=W"),
        ("-3", "must be W, or DEVICE=W"),
        ("nan", "must be W, or DEVICE=W"),
        ("gate=", "must be W, or DEVICE=W"),
        ("gate=4,gate=5", "must name each device once"),
        ("=4", "must name each device once"),
    ],
)
def test_a_cap_that_is_none_is_one_clear_line(text, words):
    with pytest.raises(ValueError, match=words):
        ObjectiveOptions(objective="capped", power_cap_w=text)


def test_caps_are_checked_against_the_devices(golden, clocked):
    table = clocked(golden, 1, 0.0).tables["gpu"]
    with pytest.raises(ValueError, match="there is no device square"):
        ObjectiveOptions(objective="capped", power_cap_w="square=5").check_tables({"gate": table})
    with pytest.raises(ValueError, match="gate=2: must be above the 3 W"):
        ObjectiveOptions(objective="capped", power_cap_w="gate=2").check_tables({"gate": table})
    ObjectiveOptions(objective="capped", power_cap_w="gate=9").check_tables({"gate": table})
