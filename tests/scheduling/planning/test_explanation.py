"""What an explanation names is what it takes: acted upon, the better variant is reached."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonjelly.core.device import Device
from moonjelly.core.mode import Mode
from moonjelly.core.plan import DevicePlan, Plan
from moonjelly.scheduling.planning.explanation import Binding, explain
from moonjelly.scheduling.planning.registry import planner
from moonjelly.scheduling.planning.rules import violations


def granted(problem, plan, stream, wish, change):
    """The problem and plan in which one wish comes true, the stream changed as it asks."""
    changed = replace(
        problem,
        streams=tuple(change if one is stream else one for one in problem.streams),
    )
    if wish.device_id is None:
        changed = replace(changed, devices=(*problem.devices, Device("new", wish.device_type)))
        plan = Plan((*plan.devices, DevicePlan.of("new", Mode(wish.variant, 1))), plan.placement)
    target = wish.device_id or "new"
    device_type = next(one.device_type for one in changed.devices if one.device_id == target)
    sound = []
    for size in range(1, len(changed.tables[device_type].modes(wish.variant)) + 1):
        moved = Plan(
            tuple(
                DevicePlan.of(target, Mode(one.mode.variant, size))
                if one.device_id == target
                else one
                for one in plan.devices
            ),
            {**plan.placement, stream.stream_id: target},
        )
        if not violations(changed, moved):
            sound.append(moved)
    return sound


def check_wishes(problem, plan, one):
    stream = next(c for c in problem.streams if c.stream_id == one.stream_id)
    accuracy = problem.variants[one.device.mode.variant].accuracy if one.device else -1
    for wish in one.wishes:
        assert problem.variants[wish.variant].accuracy > accuracy
        changes = []
        if wish.bandwidth_kbps is not None:
            assert wish.bandwidth_kbps > stream.bandwidth_kbps
            changes.append(replace(stream, bandwidth_kbps=wish.bandwidth_kbps))
        if wish.slo_ms is not None:
            assert wish.slo_ms > stream.slo_ms
            changes.append(replace(stream, slo_ms=wish.slo_ms))
        if wish.bandwidth_kbps is None and wish.slo_ms is None:
            if problem.budget_ms(stream, wish.variant) > 0:
                assert granted(problem, plan, stream, wish, stream)
        elif stream.bandwidth_kbps or wish.bandwidth_kbps:
            for change in changes:
                assert granted(problem, plan, stream, wish, change)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**9), name=st.sampled_from(["pricing", "fixed", "greedy"]))
def test_every_wish_that_is_granted_gives_the_better_variant(small_problem, seed, name):
    problem = small_problem(seed, devices=3, streams=8, variants=4)
    plan = planner(name).plan(problem, None, Random(0))
    for one in explain(problem, plan, planner("pricing"), max_offers=0):
        check_wishes(problem, plan, one)


def test_each_binding_is_named(golden):
    plan = planner("pricing").plan(golden, None, Random(0))
    best = explain(golden, plan, planner("pricing"))
    assert {one.binding for one in best} == {Binding.NOTHING}
    assert all(one.wishes == () for one in best)

    small = Plan(
        (DevicePlan.of("gpu0", Mode(0, 1)), DevicePlan.of("gpu1", Mode(0, 1))), plan.placement
    )
    thin = replace(golden.streams[0], bandwidth_kbps=golden.variants[1].frame_kbits * 15)
    strict = replace(golden.streams[1], slo_ms=36)
    problem = replace(golden, streams=(thin, strict, *golden.streams[2:]))
    bindings = [one.binding for one in explain(problem, small, planner("pricing"))]
    assert bindings[:3] == [Binding.NETWORK_RATE, Binding.LATENCY, Binding.THROUGHPUT]


def test_a_refused_stream_gets_the_counter_offers_of_admission(golden):
    crowd = tuple(replace(golden.streams[1], stream_id=f"c{index}", fps=60) for index in range(12))
    problem = replace(golden, streams=crowd)
    plan = planner("pricing").plan(problem, None, Random(0))
    refused = [one for one in explain(problem, plan, planner("pricing")) if one.device is None]
    assert refused
    assert all(one.refusal == "overload" for one in refused)
    offered = [offer for one in refused for offer in one.offers]
    assert offered
    assert all(offer.fps < 60 or offer.slo_ms > 100 for offer in offered)


def test_offers_are_looked_for_only_as_often_as_asked(golden):
    crowd = tuple(replace(golden.streams[1], stream_id=f"c{index}", fps=60) for index in range(14))
    problem = replace(golden, streams=crowd)
    plan = planner("pricing").plan(problem, None, Random(0))
    with_offers = [one for one in explain(problem, plan, planner("pricing"), 1) if one.offers]
    assert len(with_offers) <= 1


def test_slo_and_bandwidth_are_rounded_up(golden):
    strict = replace(golden.streams[1], slo_ms=36)
    problem = replace(golden, streams=(strict,))
    plan = planner("pricing").plan(problem, None, Random(0))
    (one,) = explain(problem, plan, planner("pricing"))
    (wish, *_) = one.wishes
    assert wish.slo_ms == pytest.approx(round(wish.slo_ms, 1))
    assert wish.bandwidth_kbps == int(wish.bandwidth_kbps)
