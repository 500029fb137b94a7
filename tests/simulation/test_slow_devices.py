"""Plans follow devices as they are: the bars, in the simulator, where the same seeds give the same figures everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import slow_devices

    return slow_devices


@pytest.mark.parametrize("name", ["step_slower", "step_slower_alone"])
def test_a_device_that_becomes_half_as_fast_is_planned_so_within_a_second(benchmark, name):
    row = getattr(benchmark, name)(0)
    assert row["right plan after s"] <= 1.0
    assert row["extra misses, s of its frames"] <= 1.0


def test_a_device_that_is_faster_than_its_profile_is_used_within_five_seconds(benchmark):
    row = benchmark.step_faster(0)
    assert row["used after s"] <= 5.0
    assert row["accuracy ratio"] >= 1.03
    assert row["in time"] >= 0.99


def test_plans_show_how_slow_each_device_is(benchmark):
    run = benchmark.Twin(benchmark.Load(2, 8, seconds=6), {0: "2:2"}, seed=0)
    last = {row.device_id: row.slowdown_ratio for row in run.plans[-1]}
    assert last["gpu-0"] == pytest.approx(2, rel=0.1)
    assert last["gpu-1"] == pytest.approx(1, rel=0.1)


def test_plans_do_not_follow_each_of_many_pulses(benchmark):
    row = benchmark.pulses(0)
    assert row["plan changes a minute"] <= 6
    assert row["in time"] >= 0.98  # nobody who knows the pulses can have more than all


@pytest.mark.parametrize("name", ["one_of_four", "one_of_five"])
def test_a_device_that_is_far_off_is_out_in_two_seconds_and_back_in_three(benchmark, name):
    row = getattr(benchmark, name)(0)
    assert row["last in the plan after s"] < row["out of the plan after s"] <= 2.0
    assert row["back after s"] <= 3.0
    assert row["others in time"] >= 0.99
    assert row["after 2 s in time"] >= 0.99


def test_devices_that_are_as_their_profile_says_are_planned_as_before(benchmark):
    row = benchmark.undisturbed(0)
    assert row["plan changes a minute"] == 0
    assert row["in time"] >= 0.999


def test_beside_a_neighbour_frames_are_in_time(benchmark):
    row = benchmark.neighbour(0)
    assert row["in time"] >= 0.97
    assert row["plan changes a minute"] <= 20


def test_a_device_is_used_for_nearly_all_that_it_carries(benchmark):
    row = benchmark.one_variant(0)
    assert row["goodput over closed loop"] >= 0.9
    assert row["admitted in time"] >= 0.97


def test_smaller_variants_take_what_the_median_one_does_not_carry(benchmark):
    assert benchmark.whole_zoo(0)["in time"] >= 0.95
