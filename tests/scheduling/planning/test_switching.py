"""A change of plan is charged what it disturbs."""

from __future__ import annotations

import pytest

from moonjelly.core.device import Device
from moonjelly.core.mode import Mode, ModeTable
from moonjelly.core.plan import DevicePlan, Plan
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.planning.switching import SwitchingCost

PROBLEM = Problem(
    devices=(Device("d0", "gpu"), Device("d1", "gpu")),
    variants=(Variant("small", 128, 0.40, 50.0), Variant("large", 416, 0.44, 300.0)),
    tables={"gpu": ModeTable(((5.0,), (20.0,)))},
    streams=(Stream("c0", 10, 200, 1e5), Stream("c1", 10, 200, 1e5)),
)


def plan(variants, places):
    devices = tuple(DevicePlan.of(f"d{n}", Mode(variant, 1)) for n, variant in enumerate(variants))
    return Plan(devices, {f"c{n}": place for n, place in enumerate(places)})


IN_FORCE = plan((0, 0), ("d0", "d1"))


@pytest.mark.parametrize(("ratio", "is_worth_it"), [(0.0, True), (0.09, True), (0.1, False)])
def test_a_load_is_worth_it_if_it_gains_more_than_its_share(ratio, is_worth_it):
    better = plan((1, 0), ("d0", "d1"))  # gains 10 x 0.04; its device serves 10 x 0.44
    switching = SwitchingCost(ratio)
    assert switching.is_worth_it(PROBLEM, IN_FORCE, better, IN_FORCE) is is_worth_it


def test_an_idle_device_loads_for_free():
    in_force = plan((0, 0), ("d0", "d0"))
    better = plan((0, 1), ("d0", "d1"))  # gains 10 x 0.04, moves 10 x 0.44
    assert SwitchingCost(0.5).is_worth_it(PROBLEM, in_force, better, in_force)


def test_serving_one_more_is_always_worth_it():
    fewer = plan((0, 0), ("d0", None))
    assert SwitchingCost(1.0).is_worth_it(PROBLEM, fewer, plan((1, 1), ("d0", "d1")), fewer)
    assert not SwitchingCost(0.0).is_worth_it(PROBLEM, IN_FORCE, fewer, IN_FORCE)


def test_what_gains_nothing_is_not_worth_a_move():
    swapped = plan((0, 0), ("d1", "d0"))
    assert not SwitchingCost(0.0).is_worth_it(PROBLEM, IN_FORCE, swapped, IN_FORCE)
    assert not SwitchingCost(0.1).is_worth_it(PROBLEM, IN_FORCE, swapped, IN_FORCE)


def test_what_has_to_change_anyway_is_not_charged_to_the_better_plan():
    # Carried over, c1 has to move too; then only the load counts.
    kept = plan((0, 0), ("d0", "d0"))
    better = plan((1, 0), ("d0", "d0"))
    assert SwitchingCost(0.09).is_worth_it(PROBLEM, kept, better, plan((1, 0), ("d0", "d1")))


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_share_is_within_0_and_1(ratio):
    with pytest.raises(ValueError, match=r"switching_cost_ratio=.*: must be within 0\.\.1"):
        SwitchingCost(ratio)
