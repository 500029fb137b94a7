from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.device import Device
from moonjelly.core.mode import ModeTable
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.planning.counter_offer import RefusalReason
from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rounds import Planning
from moonjelly.scheduling.planning.rules import violations
from moonjelly.scheduling.planning.stages import (
    PROMISED,
    Stage,
    StagedPlanner,
    served_by_stage,
    share_ratio,
    stages_of,
)
from moonjelly.scheduling.sharing.entitlements import Entitlement

VARIANTS = (Variant("small", 128, 0.2, 50.0), Variant("large", 416, 0.4, 300.0))
LATENCY = ModeTable(((5.0, 6.0, 7.0, 8.0), (20.0, 30.0, 40.0, 50.0)))  # below 500 and 80 frames/s
FLOOR = {"modest": Entitlement(min_fps=50.0)}


def stream(name: str, fps: float = 25.0) -> Stream:
    return Stream(name, fps, 200.0, 1e5)


def streams_of(tenant: str, count: int, fps: float = 25.0) -> list[Stream]:
    return [stream(f"{tenant}/{number}", fps) for number in range(count)]


def problem(*streams: Stream, num_devices: int = 1) -> Problem:
    devices = tuple(Device(f"d{number}", "gpu") for number in range(num_devices))
    return Problem(devices, VARIANTS, {"gpu": LATENCY}, streams)


def planning(entitlements) -> Planning:
    decided = Planning(planner("pricing"), Random(0), TimeLimit())
    decided.entitle(entitlements)
    return decided


def served(plan, tenant: str) -> int:
    return sum(
        place is not None and name.startswith(f"{tenant}/")
        for name, place in plan.placement.items()
    )


def test_what_fits_into_a_floor_is_promised_and_the_rest_goes_by_weight() -> None:
    entitlements = {**FLOOR, "paying": Entitlement(priority=-5)}
    wanted = problem(
        *streams_of("modest", 3), *streams_of("paying", 1), stream("cam"), stream("modest/9", 5.0)
    )
    assert stages_of(wanted, entitlements) == {
        "modest/0": PROMISED,
        "modest/1": PROMISED,
        "modest/2": Stage(True, -1024),
        "paying/0": Stage(True, -3121),
        "cam": Stage(True, -1024),
        "modest/9": Stage(True, -1024),
    }


def test_a_share_is_of_what_all_devices_do_with_the_smallest_variant() -> None:
    wanted = problem(*streams_of("modest", 3, fps=100.0), num_devices=2)
    assert share_ratio(wanted, wanted.streams[0]) == pytest.approx(0.1)
    stages = stages_of(wanted, {"modest": Entitlement(min_share_ratio=0.2)})
    assert [stage.is_beyond for stage in stages.values()] == [False, False, True]
    assert share_ratio(wanted, Stream("slow", 25.0, 5.0, 1e5)) == 1.0


def test_a_floor_is_served_although_others_fill_the_devices() -> None:
    wanted = problem(*streams_of("greedy", 30), *streams_of("modest", 4))
    plain = planner("pricing").plan(wanted, None, Random(0))
    assert served(plain, "greedy") + served(plain, "modest") == 19
    decided = planning(FLOOR)
    decided.replan(problem(*streams_of("greedy", 30)))
    assert served(decided.plan, "greedy") == 19
    decided.replan(wanted)
    assert violations(wanted, decided.plan) == []
    assert served(decided.plan, "modest") >= 2
    assert served(decided.plan, "greedy") + served(decided.plan, "modest") == 19


def test_the_heavier_tenant_has_what_floors_leave_before_the_lighter_one() -> None:
    entitlements = {**FLOOR, "paying": Entitlement(priority=-1)}
    wanted = problem(*streams_of("greedy", 19), *streams_of("modest", 4), *streams_of("paying", 12))
    decided = planning(entitlements)
    decided.replan(wanted)
    assert served(decided.plan, "paying") == 12
    assert served(decided.plan, "modest") >= 2
    assert sum(place is not None for place in decided.plan.placement.values()) == 19


def test_a_stream_within_a_floor_takes_the_place_of_one_beyond() -> None:
    decided = planning(FLOOR)
    full = problem(*streams_of("greedy", 19))
    decided.replan(full)
    asked = [*streams_of("modest", 3), stream("greedy/19")]
    answers = {one.stream.stream_id: one.refusal for one in decided.admit(full, asked)}
    assert answers["modest/0"] is answers["modest/1"] is None
    assert answers["modest/2"].reason is RefusalReason.OVERLOAD
    assert answers["greedy/19"].reason is RefusalReason.OVERLOAD
    joined = problem(*full.streams, *asked[:2])
    decided.replan(joined)
    assert (served(decided.plan, "modest"), served(decided.plan, "greedy")) == (2, 17)
    nowhere = {one for one, place in decided.plan.placement.items() if place is None}
    assert decided.preempted == nowhere
    decided.replan(full)
    assert (served(decided.plan, "greedy"), decided.preempted) == (19, set())


def test_a_refusal_offers_what_would_fit_into_the_floor() -> None:
    decided = planning(FLOOR)
    full = problem(*streams_of("greedy", 19))
    decided.replan(full)
    ((refused),) = decided.admit(full, [stream("modest/big", 60.0)])
    rates = [one.fps for one in refused.refusal.counter_offers]
    assert 40.0 <= max(rates) <= 50.0


@st.composite
def shared_problems(draw):
    wanted = []
    for tenant in ("a", "b", "c"):
        rates = draw(st.lists(st.floats(5.0, 120.0), max_size=6))
        wanted += [stream(f"{tenant}/{number}", fps) for number, fps in enumerate(rates)]
    entitlements = {
        tenant: Entitlement(
            priority=draw(st.integers(-3, 3)), min_fps=draw(st.sampled_from([None, 60.0, 200.0]))
        )
        for tenant in ("a", "b")
    }
    return problem(*wanted, num_devices=draw(st.integers(1, 2))), entitlements


@settings(max_examples=40, deadline=None)
@given(given_problem=shared_problems())
def test_staged_plans_are_sound_and_serve_no_fewer_of_earlier_stages(given_problem) -> None:
    wanted, entitlements = given_problem
    plain = planner("pricing").plan(wanted, None, Random(0))
    staged = StagedPlanner(planner("pricing"), entitlements).plan(wanted, None, Random(0))
    assert violations(wanted, staged) == []
    stages = stages_of(wanted, entitlements)
    assert served_by_stage(stages, staged) >= served_by_stage(stages, plain)


def test_without_entitlements_the_plan_is_the_planners_own() -> None:
    wanted = problem(*streams_of("a", 15), *streams_of("b", 15))
    plain = planner("pricing").plan(wanted, None, Random(0))
    assert StagedPlanner(planner("pricing"), {}).plan(wanted, None, Random(0)) == plain
