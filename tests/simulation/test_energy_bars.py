"""`benchmarks/energy_bars.py`: what it measures, and what it says of it."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def bars(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import energy_bars

    return energy_bars


def test_nothing_is_below_the_bound_and_counting_joules_saves_some(bars, tmp_path):
    load = next(one for one in bars.loads(tmp_path) if one.name == bars.AGX)
    options = dict(bars.policies(load))
    arguments = argparse.Namespace(seconds=6.0, seed=1)
    found = {
        name: bars.measured(load.name, name, bars.scenario_of(load, options[name], tmp_path, arguments))
        for name in ("accuracy", "ours 0.1 deadline", "static 828.75 deadline")
    }  # fmt: skip
    assert all(0 < one.bound_j < one.total_j for one in found.values())
    assert all(one.in_time_ratio > 0.99 for one in found.values())
    assert found["ours 0.1 deadline"].frame_j < 0.9 * found["accuracy"].frame_j


def test_a_static_clock_that_misses_more_frames_is_no_rival(bars):
    load = bars.Load("l", "loudva", bars.AGX, 500.0, "v", batchers=("deadline",))

    def row(policy, in_time_ratio, frame_j):
        return bars.Outcome("l", policy, 6.0, 100, in_time_ratio, 0.5, frame_j, 1.0, frame_j, 0.3)

    rows = [
        row("accuracy", 1.0, 0.8), row("ours 0.1 deadline", 0.999, 0.4), row("race 0.1 deadline", 1.0, 0.5),
        row("static 1 deadline", 0.99, 0.1), row("static 2 deadline", 0.998, 0.44), row("static 3 deadline", 1.0, 0.6),
    ]  # fmt: skip
    lines = list(bars.judged(load, rows))
    assert lines[0].startswith(
        "l, ours 0.1 deadline: 0.4000 J a frame, 99.90 % in time (best 100.00)"
    )
    shown = [line.split(", above")[0].strip() for line in lines[1:]]
    assert shown == [
        "50.0 % less than accuracy", "20.0 % less than race 0.1 deadline", "9.1 % less than static 2 deadline",
    ]  # fmt: skip


def test_energy_is_finite_where_frames_wait_for_a_clock_at_the_end(bars, tmp_path):
    load = list(bars.loads(tmp_path))[-2]
    options = {"objective": "joules", "price_per_joule": 0.02}
    arguments = argparse.Namespace(seconds=4.0, seed=1)
    found = bars.measured("", "", bars.scenario_of(load, options, tmp_path, arguments))
    assert 20 < found.total_j < 200
