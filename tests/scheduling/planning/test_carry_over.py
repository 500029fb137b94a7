from __future__ import annotations

from dataclasses import replace

import pytest

from moonjelly.core.mode import Mode
from moonjelly.core.plan import DevicePlan, Plan
from moonjelly.scheduling.planning.mapping import Mapper, assemble
from moonjelly.scheduling.planning.rules import violations
from moonjelly.scheduling.planning.seats import carry_over, variants_in_force


@pytest.fixture
def previous(golden):
    return assemble(golden, (3, 3), Mapper(golden).assign((3, 3)))


def test_a_plan_that_still_fits_stays(golden, previous):
    assert carry_over(golden, previous) == previous


def test_a_stream_that_came_is_added_where_there_is_room(golden, previous):
    newcomer = replace(golden.streams[3], stream_id="c9", fps=5)
    problem = replace(golden, streams=(newcomer, *golden.streams))
    plan = carry_over(problem, previous)
    assert plan.placement == {**previous.placement, "c9": "gpu1"}
    assert violations(problem, plan) == []


def test_a_stream_that_came_gets_the_most_accurate_variant_with_room(golden, previous):
    few = replace(golden, streams=golden.streams[:1])
    running = Plan((DevicePlan.of("gpu0", Mode(1, 1)), DevicePlan.of("gpu1", Mode(2, 1))), {})
    assert carry_over(few, running).placement == {"c0": "gpu1"}


def test_a_stream_that_became_strict_does_not_cost_the_others_their_place(golden, previous):
    # c1 and c2 need batches of 2; c1's new SLO allows only 1.
    strict = replace(golden.streams[1], slo_ms=70)
    problem = replace(golden, streams=(golden.streams[0], strict, *golden.streams[2:]))
    plan = carry_over(problem, previous)
    assert plan.placement["c2"] == "gpu0"
    assert plan.placement["c1"] != "gpu0"
    assert violations(problem, plan) == []


def test_streams_whose_link_is_down_have_no_place(golden, previous):
    down = tuple(replace(stream, bandwidth_kbps=0) for stream in golden.streams)
    plan = carry_over(replace(golden, streams=down), previous)
    assert set(plan.placement.values()) == {None}
    assert [device.mode.batch_size for device in plan.devices] == [1, 1]


def test_what_is_gone_is_forgotten(golden, previous):
    problem = replace(golden, devices=golden.devices[1:], streams=golden.streams[:2])
    plan = carry_over(problem, previous)
    assert [device.device_id for device in plan.devices] == ["gpu1"]
    assert set(plan.placement) == {"c0", "c1"}
    assert violations(problem, plan) == []


def test_variants_of_a_larger_zoo_are_cut_down_to_this_one(golden):
    larger = Plan((DevicePlan.of("gpu1", Mode(15, 1)),), {})
    assert variants_in_force(golden, larger) == (0, 3)
    assert variants_in_force(golden, None) == (0, 0)
