from __future__ import annotations

from dataclasses import replace

import pytest

from moonjelly.core.mode import Mode
from moonjelly.core.plan import Berth, DevicePlan, Plan
from moonjelly.scheduling.planning.mapping import Mapper, assemble
from moonjelly.scheduling.planning.rules import Score, score, violations


@pytest.fixture
def sound(golden):
    return assemble(golden, (3, 3), Mapper(golden).assign((3, 3)))


def with_devices(plan, *devices):
    return Plan(
        tuple(DevicePlan.of(device_id, Mode(*mode)) for device_id, *mode in devices), plan.placement
    )


def with_places(plan, **changes):
    return Plan(plan.devices, {**plan.placement, **changes})


def test_a_sound_plan_breaks_no_rule(golden, sound):
    assert violations(golden, sound) == []


def test_planners_of_one_berth_a_device_are_held_to_it(golden, sound):
    berth = Berth(Mode(3, 1), share_ratio=0.5)
    shared = Plan(
        (DevicePlan("gpu0", (berth, berth)), DevicePlan.of("gpu1", Mode(3, 1))), sound.placement
    )
    assert violations(golden, shared) == ["gpu0: has 2 berths, not one"]


def test_serving_nobody_is_sound(golden, sound):
    nobody = Plan(sound.devices, dict.fromkeys(sound.placement))
    assert violations(golden, nobody) == []
    assert score(golden, nobody) == Score(4, 0, 0.0, 0.0, 0.0, None)


def test_a_budget_below_twice_the_latency_is_found(golden, sound):
    # c0 has 59.74 ms; a batch of 2 takes 38 ms.
    found = violations(golden, with_devices(sound, ("gpu0", 3, 2), ("gpu1", 3, 2)))
    assert len(found) == 2
    assert all("is below twice the batch latency 38 ms" in one for one in found)


def test_a_link_slower_than_the_stream_is_found(golden, sound):
    streams = list(golden.streams)
    streams[1] = replace(streams[1], bandwidth_kbps=25 * golden.variants[3].frame_kbits)
    found = violations(replace(golden, streams=tuple(streams)), sound)
    assert found == [
        "c1 on gpu0: budget 0 ms is below twice the batch latency 38 ms",
    ]


def test_a_rate_that_equals_the_throughput_is_found(golden, sound):
    # One device at batch 1 of variant 0: 100 frame/s. 15 + 25 + 25 + 35 is exactly that.
    streams = (*golden.streams[:3], replace(golden.streams[3], fps=35))
    plan = with_devices(sound, ("gpu0", 0, 1), ("gpu1", 0, 1))
    plan = Plan(plan.devices, dict.fromkeys(plan.placement, "gpu0"))
    found = violations(replace(golden, streams=streams), plan)
    assert found == ["gpu0: rate 100 frame/s is not below its throughput 100 frame/s"]
    streams = (*golden.streams[:3], replace(golden.streams[3], fps=34.999))
    assert violations(replace(golden, streams=streams), plan) == []


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ([("gpu0", 3, 2)], "gpu1: has no entry"),
        ([("gpu0", 3, 2), ("gpu1", 3, 1), ("gpu1", 2, 1)], "gpu1: has 2 variants and batch sizes"),
        ([("gpu0", 3, 2), ("gpu1", 3, 1), ("tpu", 2, 1)], "tpu: not a device of the problem"),
        ([("gpu1", 3, 1), ("gpu0", 3, 2)], "devices are not in the problem's order"),
        ([("gpu0", 4, 2), ("gpu1", 3, 1)], "gpu0: no variant 4"),
        ([("gpu0", -1, 2), ("gpu1", 3, 1)], "gpu0: no variant -1"),
        ([("gpu0", 3, 0), ("gpu1", 3, 1)], "gpu0: batch size 0 is not within 1..12"),
        ([("gpu0", 3, 13), ("gpu1", 3, 1)], "gpu0: batch size 13 is not within 1..12"),
    ],
)
def test_devices_that_do_not_match_the_problem_are_found(golden, sound, devices, expected):
    assert expected in violations(golden, with_devices(sound, *devices))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"c9": "gpu0"}, "c9: not a stream of the problem"),
        ({"c9": None}, "c9: not a stream of the problem"),
        ({"c0": "tpu"}, "c0: placed on unknown device tpu"),
    ],
)
def test_streams_that_do_not_match_the_problem_are_found(golden, sound, changes, expected):
    assert violations(golden, with_places(sound, **changes)) == [expected]


def test_a_stream_left_out_is_found(golden, sound):
    placement = {name: place for name, place in sound.placement.items() if name != "c2"}
    assert violations(golden, Plan(sound.devices, placement)) == ["c2: neither placed nor refused"]


def test_score_counts_the_servable_alone(golden, sound):
    down = replace(golden.streams[3], bandwidth_kbps=0)
    problem = replace(golden, streams=(*golden.streams[:3], down))
    result = score(problem, with_places(sound, c0=None, c3=None))
    assert result.num_servable == 3
    assert result.num_served == 2
    assert result.served_ratio == pytest.approx(2 / 3)
    assert result.accuracy_per_request == pytest.approx(0.5 * 50 / 65)
    assert result.accuracy_per_stream == pytest.approx(0.5 * 2 / 3)


def test_where_nobody_is_servable_all_scores_are_zero(golden, sound):
    problem = replace(golden, streams=())
    assert score(problem, Plan(sound.devices, {})) == Score(0, 0, 0.0, 0.0, 0.0, None)
    assert score(problem, Plan(sound.devices, {})).served_ratio == 0.0
