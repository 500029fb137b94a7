from __future__ import annotations

from dataclasses import replace

import pytest

from moonjelly.core.budget_rules import DEFAULT_BUDGET_RULE, budget_rule, check_budget_rule
from moonjelly.core.device import Device
from moonjelly.core.problem import Client, Problem
from moonjelly.core.variant import Variant
from moonjelly.scheduling.planning.instance import build

VARIANTS = (Variant("small", 128, 0.2, 100.0), Variant("large", 352, 0.4, 400.0))
# 10 Mbit/s: 100 and 400 kbit take 10 and 40 ms; 2 ms on the wire; 4 ms of overhead.
CLIENT = Client("c", fps=15.0, slo_ms=100.0, bandwidth_kbps=10_000.0, wire_ms=1.0)


@pytest.mark.parametrize(
    ("name", "budgets_ms"),
    [
        ("full", (84.0, 54.0)),
        ("elastic:70", (87.0, 66.0)),
        ("elastic:100", (84.0, 54.0)),
        ("fixed:352", (54.0, 54.0)),
        ("fixed:128", (84.0, 84.0)),
        ("split", (75.0, 75.0)),
    ],
)
def test_budgets_by_hand(name, budgets_ms):
    client = replace(CLIENT, budget_rule=budget_rule(name, VARIANTS))
    assert [client.budget_ms(one, 4.0) for one in VARIANTS] == pytest.approx(budgets_ms)
    problem = Problem((Device("d", "t"),), VARIANTS, {"t": ((5.0,), (10.0,))}, (client,), 4.0)
    assert build(problem).budgets_ms[0] == pytest.approx(budgets_ms)


@pytest.mark.parametrize(
    ("name", "budgets_ms"),
    [
        ("full", (36.0, 0.0)),
        ("elastic:70", (53.4, 0.0)),
        ("fixed:352", (0.0, 0.0)),
        ("split", (75.0, 75.0)),
    ],
)
def test_a_slow_link_by_hand(name, budgets_ms):
    # 1724 kbit/s carry 100 kbit 15 times a second, not 400 kbit
    slow = replace(CLIENT, bandwidth_kbps=100_000 / 58, budget_rule=budget_rule(name, VARIANTS))
    assert [slow.budget_ms(one, 4.0) for one in VARIANTS] == pytest.approx(budgets_ms, abs=0.5)


@pytest.mark.parametrize("name", ["full", "elastic:70", "fixed:352", "split"])
def test_a_dead_link_leaves_nothing(name):
    dead = replace(CLIENT, bandwidth_kbps=0.0, budget_rule=budget_rule(name, VARIANTS))
    assert [dead.budget_ms(one, 4.0) for one in VARIANTS] == [0.0, 0.0]


@pytest.mark.parametrize(
    "name", ["", "fixed", "fixed:", "elastic:0", "elastic:101", "fixed:-3", "half"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=r"budget_rule=.*full, elastic:PERCENT, fixed:SIDE, split"):
        check_budget_rule(name)


def test_a_side_that_the_zoo_has_not_is_refused():
    with pytest.raises(ValueError, match="no side of 353 px"):
        budget_rule("fixed:353", VARIANTS)
    assert check_budget_rule(DEFAULT_BUDGET_RULE) == DEFAULT_BUDGET_RULE
