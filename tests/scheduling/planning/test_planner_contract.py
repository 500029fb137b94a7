"""What every planner owes, tried on odd problems; and SA-DP against exhaustive search."""

from __future__ import annotations

import itertools
from dataclasses import replace
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.device import Device
from moonjelly.core.mode import Mode, ModeTable
from moonjelly.core.plan import DevicePlan, Plan
from moonjelly.core.problem import Problem
from moonjelly.core.stream import Stream
from moonjelly.core.variant import Variant
from moonjelly.scheduling.planning.effort import TimeLimit
from moonjelly.scheduling.planning.mapping import Mapper
from moonjelly.scheduling.planning.published.sa_dp import SaDpPlanner
from moonjelly.scheduling.planning.registry import PLANNERS, planner
from moonjelly.scheduling.planning.rules import score, violations

MOST_LOOKS_AFTERWARDS = 100
rates = st.one_of(st.sampled_from([5, 7, 12, 15, 24, 25, 29.97]), st.floats(1e-3, 300))


@st.composite
def streams(draw, max_size):
    return tuple(
        Stream(
            f"c{index}",
            draw(rates),
            draw(st.sampled_from([30, 75, 100, 150, 1000])),
            draw(st.one_of(st.just(0.0), st.floats(1, 50_000))),
            draw(st.floats(0, 20)),
            draw(st.floats(0, 10)),
            draw(st.floats(0.5, 2)),
            decode_ms=draw(st.sampled_from([0.0, 0.0, 2.5, 30.0])),
        )
        for index in range(draw(st.integers(0, max_size)))
    )


@st.composite
def problems(draw, max_devices=3, max_variants=4, max_batches=4, max_streams=8):
    num_variants = draw(st.integers(1, max_variants))
    devices = tuple(
        Device(f"d{index}", draw(st.sampled_from(["gpu", "cpu"])))
        for index in range(draw(st.integers(0, max_devices)))
    )
    latency = st.floats(1, 60)
    row = st.lists(latency, min_size=1, max_size=max_batches).map(tuple)  # may even fall
    return Problem(
        devices=devices,
        variants=tuple(
            Variant(f"v{index}", 128 + 32 * index, 0.2 + 0.1 * index, 50.0 * (index + 1))
            for index in range(num_variants)
        ),
        tables={
            kind: ModeTable(tuple(draw(row) for _ in range(num_variants)))
            for kind in ("gpu", "cpu")
        },
        streams=draw(streams(max_streams)),
        overhead_ms=draw(st.floats(0, 10)),
    )


@st.composite
def plans(draw):
    """Plans that were made for something else."""
    names = st.sampled_from(["d0", "d1", "d2", "gone"])
    devices = draw(st.lists(names, unique=True))
    return Plan(
        tuple(
            DevicePlan.of(name, Mode(draw(st.integers(0, 6)), draw(st.integers(1, 9))))
            for name in devices
        ),
        {
            f"c{index}": draw(st.one_of(st.none(), names))
            for index in draw(st.sets(st.integers(0, 12)))
        },
    )


# Brute force refuses problems of this size.
@pytest.mark.parametrize("name", sorted(PLANNERS.keys() - {"brute-force"}))
@settings(max_examples=100, deadline=None)
@given(problem=problems(), previous=st.none() | plans(), seed=st.integers(0, 2**32))
def test_every_plan_is_sound_and_its_seed_fixes_it(name, problem, previous, seed):
    plan = planner(name).plan(problem, previous, Random(seed))
    assert violations(problem, plan) == []
    assert planner(name).plan(problem, previous, Random(seed)) == plan


@pytest.mark.parametrize("name", sorted(PLANNERS))
@settings(max_examples=50, deadline=None)
@given(
    problem=problems(max_devices=2, max_streams=4, max_variants=3, max_batches=3),
    previous=st.none() | plans(),
    left_ms=st.sampled_from([-1.0, 0.0, 2.0, 30.0]),
)
def test_whatever_the_time_a_plan_is_sound_and_hardly_over_it(name, problem, previous, left_ms):
    reads = itertools.count()  # each look at the stopwatch takes a millisecond
    limit = TimeLimit(lambda: float(next(reads)))
    chosen = planner(name, limit=limit)
    limit.start(left_ms)
    plan = chosen.plan(problem, previous, Random(0))
    assert violations(problem, plan) == []
    assert next(reads) <= max(left_ms, 0.0) + MOST_LOOKS_AFTERWARDS


@settings(max_examples=60, deadline=None)
@given(problem=problems(), seed=st.integers(0, 2**32))
def test_planning_again_never_makes_it_worse(problem, seed):
    random = Random(seed)
    plan = SaDpPlanner().plan(problem, None, random)
    before = score(problem, plan)
    again = score(problem, SaDpPlanner().plan(problem, plan, random))
    assert again.num_served >= before.num_served
    if again.num_served == before.num_served:
        assert again.accuracy_per_request >= before.accuracy_per_request


def optimum(problem):
    """The most streams served, and the best accuracy with that many, by trying everything."""
    choices = [
        [
            DevicePlan.of(device.device_id, Mode(variant, size))
            for variant in range(len(problem.variants))
            for size in range(1, len(problem.tables[device.device_type].modes(variant)) + 1)
        ]
        for device in problem.devices
    ]
    servable = [stream.stream_id for stream in problem.streams if problem.is_servable(stream)]
    nobody = {stream.stream_id: None for stream in problem.streams}
    places = [None, *(device.device_id for device in problem.devices)]
    best = (0, 0.0)
    for devices in product(*choices):
        for where in product(places, repeat=len(servable)):
            plan = Plan(devices, {**nobody, **dict(zip(servable, where, strict=True))})
            result = score(problem, plan)
            value = result.num_served, result.accuracy_per_request
            if value > best and not violations(problem, plan):
                best = value
    return best


@settings(max_examples=25, deadline=None)
@given(problems(max_devices=2, max_variants=2, max_batches=2, max_streams=3), st.integers(0, 2**32))
def test_no_plan_is_better_than_the_optimum(problem, seed):
    result = score(problem, SaDpPlanner().plan(problem, None, Random(seed)))
    most_served, best_accuracy = optimum(problem)
    assert result.num_served <= most_served
    if result.num_served == most_served:
        assert result.accuracy_per_request <= best_accuracy + 1e-12


@settings(max_examples=25, deadline=None)
@given(problems(max_devices=1, max_variants=3, max_batches=2, max_streams=1), st.integers(0, 2**32))
def test_one_stream_gets_the_best_that_is_possible(problem, seed):
    result = score(problem, SaDpPlanner().plan(problem, None, Random(seed)))
    most_served, best_accuracy = optimum(problem)
    assert (result.num_served, result.accuracy_per_request) == (
        most_served,
        pytest.approx(best_accuracy),
    )


@settings(max_examples=60, deadline=None)
@given(problem=problems(max_variants=3), seed=st.integers(0, 2**32))
def test_no_choice_of_variants_is_better_than_its_bound_or_than_the_plan(problem, seed):
    mapper = Mapper(problem)
    result = score(problem, SaDpPlanner().plan(problem, None, Random(seed)))
    total_fps = sum(stream.fps for stream in problem.streams if problem.is_servable(stream))
    for variants in product(range(len(problem.variants)), repeat=len(problem.devices)):
        value, most = mapper.evaluate(variants), mapper.bound(variants)
        assert value.num_served <= most.num_served
        assert value.weighted_accuracy <= most.weighted_accuracy * (1 + 1e-9)
        # So few states are all searched: none of them beats the plan.
        assert value.num_served <= result.num_served
        if value.num_served == result.num_served:
            found = result.accuracy_per_request * total_fps
            assert value.weighted_accuracy <= found * (1 + 1e-6)


def test_two_streams_of_twelve_frames_a_second_are_mapped(golden):
    odd = tuple(replace(stream, fps=12) for stream in golden.streams[:2])
    plan = SaDpPlanner().plan(replace(golden, streams=odd), None, Random(0))
    assert None not in plan.placement.values()


def test_a_rate_that_equals_the_throughput_is_not_placed():
    problem = Problem(
        devices=(Device("gpu0", "gpu"),),
        variants=(Variant("v", 128, 0.2, 80),),
        tables={"gpu": ModeTable(((40.0,),))},  # 25 frame/s
        streams=(Stream("c0", 25, 1000, 100_000),),
    )
    assert SaDpPlanner().plan(problem, None, Random(0)).placement == {"c0": None}
    slower = replace(problem, streams=(replace(problem.streams[0], fps=24.999),))
    assert SaDpPlanner().plan(slower, None, Random(0)).placement == {"c0": "gpu0"}


def unlike(num_streams=4, fps=20.0):
    return Problem(
        devices=(Device("slow", "cpu"), Device("fast", "gpu"), Device("fast2", "gpu")),
        variants=(Variant("small", 128, 0.2, 80), Variant("large", 256, 0.4, 200)),
        tables={
            "cpu": ModeTable(((30.0,), (400.0,))),
            "gpu": ModeTable(((5.0, 6.0), (10.0, 14.0))),
        },
        streams=tuple(Stream(f"c{i}", fps, 100, 50_000) for i in range(num_streams)),
    )


def test_an_unlike_device_gets_what_it_can_run():
    plan = SaDpPlanner().plan(unlike(12), None, Random(0))
    assert None not in plan.placement.values()
    assert plan.devices[0].mode.variant == 0
    assert plan.devices[1].mode.variant == plan.devices[2].mode.variant == 1


def test_one_hopeless_stream_does_not_keep_the_others_from_better_variants(golden):
    # It has a budget, so it is servable; no batch fits into it.
    hopeless = replace(golden.streams[0], stream_id="c9", slo_ms=15)
    problem = replace(golden, streams=(*golden.streams, hopeless))
    assert problem.is_servable(hopeless)
    plan = SaDpPlanner().plan(problem, None, Random(0))
    assert [device.mode.variant for device in plan.devices] == [3, 3]
    assert [name for name, place in plan.placement.items() if place is None] == ["c9"]


def test_a_new_variant_goes_where_the_nearest_is_loaded():
    problem = unlike(12)
    previous = Plan(
        (
            DevicePlan.of("slow", Mode(0, 1)),
            DevicePlan.of("fast", Mode(1, 1)),
            DevicePlan.of("fast2", Mode(0, 1)),
        ),
        {},
    )
    # With few streams on one device only; the other two keep what they hold.
    few = replace(problem, streams=problem.streams[:1])
    plan = SaDpPlanner().plan(few, previous, Random(0))
    assert [device.mode.variant for device in plan.devices] == [0, 1, 0]
    assert plan.placement == {"c0": "fast"}


def test_nothing_moves_without_a_gain(golden):
    plan = SaDpPlanner().plan(golden, None, Random(0))
    swapped = {"gpu0": "gpu1", "gpu1": "gpu0"}
    previous = Plan(
        tuple(
            DevicePlan.of(device.device_id, Mode(other.mode.variant, other.mode.batch_size))
            for device, other in zip(plan.devices, reversed(plan.devices), strict=True)
        ),
        {name: swapped[place] for name, place in plan.placement.items()},
    )
    assert SaDpPlanner().plan(golden, previous, Random(0)) == previous


def test_annealing_serves_everybody_on_many_devices():
    problem = unlike()
    many = replace(
        problem,
        devices=tuple(Device(f"d{i}", "gpu" if i % 3 else "cpu") for i in range(12)),
        variants=tuple(Variant(f"v{i}", 128 + 32 * i, 0.2 + i / 20, 80 + 20 * i) for i in range(8)),
        tables={
            "cpu": ModeTable(tuple((20.0 + 20 * i,) for i in range(8))),
            "gpu": ModeTable(tuple((5.0 + 2 * i, 6.0 + 3 * i, 7.0 + 4 * i) for i in range(8))),
        },
        streams=tuple(Stream(f"c{i}", (7, 12.5, 29.97)[i % 3], 120, 50_000) for i in range(40)),
    )
    top = Plan(tuple(DevicePlan.of(device.device_id, Mode(7, 1)) for device in many.devices), {})
    for previous in (None, top):
        plan = SaDpPlanner().plan(many, previous, Random(3))
        assert violations(many, plan) == []
        assert score(many, plan).served_ratio == 1.0
        assert score(many, plan).accuracy_per_request > 0.45
