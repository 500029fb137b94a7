from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moonjelly.core.budget_rules import DEFAULT_BUDGET_RULE, budget_rule, check_budget_rule
from moonjelly.core.device import Device
from moonjelly.core.mode import ModeTable
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.planning.instance import build

VARIANTS = (Variant("small", 128, 0.2, 100.0), Variant("large", 352, 0.4, 400.0))
# 10 Mbit/s: 100 and 400 kbit take 10 and 40 ms; 2 ms on the wire; 4 ms of overhead.
STREAM = Stream("c", fps=15.0, slo_ms=100.0, bandwidth_kbps=10_000.0, wire_ms=1.0)


def problem_of(*streams: Stream, name: str) -> Problem:
    rule = budget_rule(name, VARIANTS)
    devices, tables = (Device("d", "t"),), {"t": ModeTable(((0.5,), (1.0,)))}
    return Problem(devices, VARIANTS, tables, streams, 4.0, rule)


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
    problem = problem_of(STREAM, name=name)
    assert problem.budgets_ms(STREAM) == pytest.approx(budgets_ms)
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
    slow = replace(STREAM, bandwidth_kbps=100_000 / 58)
    assert problem_of(slow, name=name).budgets_ms(slow) == pytest.approx(budgets_ms, abs=0.5)


@pytest.mark.parametrize("name", ["full", "elastic:70", "fixed:352", "split"])
def test_a_dead_link_leaves_nothing(name):
    dead = replace(STREAM, bandwidth_kbps=0.0)
    problem = problem_of(dead, name=name)
    assert problem.budgets_ms(dead) == (0.0, 0.0)
    assert build(problem).num_streams == 0


@given(
    st.sampled_from(("full", "elastic:70", "elastic:33", "fixed:352", "split")),
    st.lists(
        st.builds(
            Stream,
            stream_id=st.uuids().map(str),
            fps=st.floats(0.1, 60),
            slo_ms=st.floats(500, 1000),
            bandwidth_kbps=st.floats(100_000, 1e6),
            wire_ms=st.floats(0, 20),
            response_kbits=st.floats(0, 10),
            frame_size_ratio=st.floats(0.05, 3),
            decode_ms=st.floats(0, 9),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda one: one.stream_id,
    ),
)
def test_budgets_of_many_streams_are_those_of_each_to_the_last_bit(name, streams):
    problem = problem_of(*streams, name=name)
    table = build(problem).budgets_ms.tolist()
    assert table == [list(problem.budgets_ms(one)) for one in streams]


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
