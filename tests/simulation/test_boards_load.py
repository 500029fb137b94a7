"""LoudVA's load: what is drawn is theirs in kind, and their scenario files are read."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median

import pytest

from moonjelly.core.errors import UsageError
from moonjelly.simulation.boards.load import SECONDS, drawn_load, read_load

HEADER = "Time,Frames After Filter,Camera Index,Throughput,latency_constraint\n"
COUNTS = [449, 126, 317, 104, 614, 1532, 170]  # rows of their scenarios 0 to 6
FRAMES = [2551, 1710, 1207, 1359, 3030, 3906, 826]


def none(_frames: int) -> float:
    return 0.0


def test_a_seed_fixes_a_load() -> None:
    assert drawn_load(3, none) == drawn_load(3, none) != drawn_load(4, none)


def test_drawn_loads_are_like_the_published_ones() -> None:
    loads = [drawn_load(seed, none) for seed in range(200)]
    for load in loads:
        assert all(0 <= one.at_s < SECONDS for one in load)
        assert [one.at_s for one in load] == sorted(one.at_s for one in load)
        assert {one.camera for one in load} <= {0, 1}
        assert all(1 <= one.slo_s <= 21 for one in load)
        assert all(one.slo_s >= min(int(0.9 * one.frames), 13) for one in load)
        assert max(one.frames for one in load) <= 40
    assert 150 < median(len(load) for load in loads) < 450  # theirs: about 300 bursts
    assert (
        1500 < median(sum(one.frames for one in load) for load in loads) < 3000
    )  # about 2,100 frames


def test_more_is_offered_under_a_higher_cap_and_deadlines_allow_for_the_way() -> None:
    def frames(most_fps: float) -> int:
        return sum(
            one.frames for seed in range(30) for one in drawn_load(seed, none, most_fps=most_fps)
        )

    assert frames(10) < frames(40) < frames(160)
    plain, far = drawn_load(5, none), drawn_load(5, lambda frames: 100.0 * frames)
    for near, one in zip(plain, far, strict=True):
        assert one.slo_s == pytest.approx(near.slo_s + 0.1 * one.frames)


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ("1,2,0,0,5\n0.5,2,0,0,5\n", ":3:Time: 0.5: must not be before 1"),
        ("1,0,0,0,5\n", ":2:Frames After Filter: 0: must be within 1..10000"),
        ("1,2,0,0,0\n", ":2:latency_constraint: 0: must be above 0"),
        ("1,2,0,0,x\n", ":2:latency_constraint: 'x': must be a number"),
        ("", "has no rows"),
    ],
)
def test_a_broken_scenario_is_refused_by_line_and_column(
    tmp_path: Path, rows: str, rule: str
) -> None:
    path = tmp_path / "load.csv"
    path.write_text(HEADER + rows)
    with pytest.raises(UsageError) as refused:
        read_load(path)
    assert rule in str(refused.value)


@pytest.mark.reference
def test_published_scenarios_are_read() -> None:
    folder = Path(os.environ["MOONJELLY_REFERENCE"]) / "data" / "loudva" / "scenarios"
    loads = [read_load(folder / f"{number}.csv") for number in range(7)]
    assert [len(load) for load in loads] == COUNTS
    assert [sum(one.frames for one in load) for load in loads] == FRAMES
