"""Runs whose cameras differ: their lists, starts, length and tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twin_cells import measured

from moonjelly.core.errors import UsageError
from moonjelly.experiment_manager.experiment_file import find_experiment, read_experiment
from moonjelly.experiment_manager.folder import open_folder
from moonjelly.experiment_manager.listed_cameras import ListedCamera, alike, read_camera_list
from moonjelly.experiment_manager.live import run_live
from moonjelly.experiment_manager.matrix import RunConfig
from moonjelly.experiment_manager.running_all import run_missing
from moonjelly.experiment_manager.simulated import run_simulated
from moonjelly.links.traces import LinkTrace, constant_trace
from moonjelly.reporting.run_folder import read_run_info
from moonjelly.reporting.run_logs import read_run_logs
from moonjelly.reporting.summary import read_summary

GOOD = """\
seconds: trace
start_spread_s: 3
server: {zoo: replayed-gpu, devices: [replayed:gpu], variants: [yolov4-128]}
matrix:
  cameras: [mixed-4, mine.yaml]
  trace: [short.txt]
  seed: [0, 1]
"""
MINE = """\
cameras:
  - {slo_ms: 200, fps: 5, trace: longer.txt, start_s: 1.5, host: street}
  - {slo_ms: 300, fps: 10}
"""
SEEN = """\
cameras:
  - {slo_ms: 200, fps: 5, source: "drawn:night"}
  - {slo_ms: 300, fps: 10}
"""
TRACES = {"short.txt": constant_trace(10.0), "longer.txt": LinkTrace((10.0, 5.0, 20.0))}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "short.txt").write_text("# period_s: 2\n10\n")
    (tmp_path / "longer.txt").write_text("10\n5\n20\n")
    (tmp_path / "mine.yaml").write_text(MINE)
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


def test_cameras_look_at_their_own_video_or_at_the_runs(folder: Path) -> None:
    (folder / "seen.yaml").write_text(SEEN)
    text = GOOD.replace("mixed-4, mine.yaml", "seen.yaml")
    for source, expected in (("", "scene:0"), ("  source: ['drawn:dense']\n", "drawn:dense")):
        (folder / "one.yaml").write_text(text + source)
        run = read_experiment(folder / "one.yaml").runs()[0]
        assert [one.source for one in run.cameras()] == ["drawn:night", expected]
        assert set(run.videos) == {"drawn:night", expected} - {"scene:0"}
    (folder / "one.yaml").write_text(text.replace("seconds: trace", "seconds: source"))
    assert read_experiment(folder / "one.yaml").runs()[0].seconds == 180


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"drawn:night"', '"drawn:fog"', "seen.yaml:2: cameras[0].source: 'drawn:fog': must be drawn:"),
        ("fps: 10", "fps: 10, source: 'scene:3'", "names a source for each camera: must not stand beside source"),
    ],
)  # fmt: skip
def test_a_wrong_source_of_a_camera_is_refused_in_one_line(
    folder: Path, old: str, new: str, complaint: str
) -> None:
    assert old in SEEN
    (folder / "seen.yaml").write_text(SEEN.replace(old, new))
    text = GOOD.replace("mixed-4, mine.yaml", "seen.yaml")
    (folder / "one.yaml").write_text(text + "  source: ['drawn:dense']\n")
    with pytest.raises(UsageError) as caught:
        read_experiment(folder / "one.yaml")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_shipped_lists_are_the_published_ones() -> None:
    for name, published in {
        "mixed-4": [(75, 15), (100, 15), (150, 25), (75, 25)],
        "mixed-8": [
            *((75, 15), (100, 15), (150, 15), (75, 15)),
            *((100, 25), (150, 25), (75, 25), (100, 25)),
        ],
    }.items():
        _, cameras = read_camera_list(name, Path())
        assert [(one.slo_ms, one.fps) for one in cameras] == published
    mixed = read_experiment(find_experiment(Path("paper-mixed"))).runs()
    assert {(run.camera_list, run.clients) for run in mixed} == {("mixed-4", 4), ("mixed-8", 8)}
    assert {(run.trace, run.seconds) for run in mixed} == {
        ("synthetic", 140.0), ("lte_like", 199.0), ("wifi_like", 200.0),
    }  # fmt: skip
    starts_s = [camera.start_s for run in mixed for camera in run.cameras()]
    assert 0 <= min(starts_s) < 1
    assert 9 < max(starts_s) <= 10


def test_a_run_has_the_cameras_of_its_list_and_is_as_long_as_the_longest_trace(
    folder: Path,
) -> None:
    runs = read_experiment(folder / "good.yaml").runs()
    assert [(run.camera_list, run.seed, run.seconds) for run in runs] == [
        ("mixed-4", 0, 2.0), ("mine.yaml", 0, 3.0), ("mixed-4", 1, 2.0), ("mine.yaml", 1, 3.0),
    ]  # fmt: skip
    assert len({run.run_id for run in runs}) == 4
    first, second = runs[1].cameras()
    assert (first.slo_ms, first.fps, first.start_s) == (200, 5, 1.5)
    assert (second.slo_ms, second.fps) == (300, 10)
    assert 0 < second.start_s <= 3
    assert (len(first.trace.values_mbps), len(second.trace.values_mbps)) == (3, 1)
    assert runs[1].factors() == {
        "cameras": "mine.yaml", "clients": 2, "slo_ms": None, "fps": None, "trace": "short.txt",
        "seed": 0, "iteration": 0,
    }  # fmt: skip
    before = runs[1].digest
    (folder / "mine.yaml").write_text(MINE.replace("200", "201"))
    assert read_experiment(folder / "good.yaml").runs()[1].digest != before


def test_cameras_that_each_have_a_trace_need_no_other(folder: Path) -> None:
    (folder / "own.yaml").write_text("cameras: [{slo_ms: 200, fps: 5, trace: longer.txt}]\n")
    text = GOOD.replace("[mixed-4, mine.yaml]", "[own.yaml]").replace("  trace: [short.txt]\n", "")
    (folder / "alone.yaml").write_text(text)
    (run, _) = read_experiment(folder / "alone.yaml").runs()
    assert (run.trace, run.seconds, run.slo_ms, run.fps) == ("own", 3.0, 200, 5)
    assert run.link_texts()[0].startswith("longer.txt from value ")


def a_run(seed: int, spread_s: float, *listed: ListedCamera) -> RunConfig:
    return RunConfig(1.0, listed, "short.txt", TRACES, 0.0, seed, 0, {}, start_spread_s=spread_s)


@given(
    st.integers(0, 2**31 - 1),
    st.floats(0, 600),
    st.lists(st.none() | st.floats(0, 600), min_size=1, max_size=8),
)
def test_starts_are_drawn_within_the_spread_and_move_nothing_else(
    seed: int, spread_s: float, own_s: list[float | None]
) -> None:
    listed = [
        ListedCamera(slo_ms=100.0, fps=10.0, start_s=one, trace="longer.txt") for one in own_s
    ]
    run = a_run(seed, spread_s, *listed)
    cameras, at_once = run.cameras(), a_run(seed, 0.0, *alike(len(own_s), 100.0, 10.0)).cameras()
    assert cameras == a_run(seed, spread_s, *listed).cameras()
    for camera, one in zip(cameras, own_s, strict=True):
        assert 0 <= camera.start_s <= spread_s if one is None else camera.start_s == one
    assert run.span_s == 1.0 + max(camera.start_s for camera in cameras)
    assert {camera.start_s for camera in at_once} == {0.0}
    without = [ListedCamera(slo_ms=100.0, fps=10.0, start_s=0.0, trace="longer.txt") for _ in own_s]
    places = [camera.trace.offset for camera in a_run(seed, 0.0, *without).cameras()]
    assert [camera.trace.offset for camera in cameras] == places


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("  seed", "  clients: [2]\n  seed", ":7: matrix.clients: must not stand beside cameras"),
        ("  seed", "  slo_ms: [75]\n  seed", ":7: matrix.slo_ms: must not stand beside cameras"),
        ("  seed", "  fps: [15]\n  seed", ":7: matrix.fps: must not stand beside cameras"),
        ("mixed-4,", "mixed-5,", ":5: matrix.cameras[0]: 'mixed-5': must be one of mixed-4, mix"),
        ("mine.yaml", "no.yaml", ":5: matrix.cameras[1]: "),
        ("[mixed-4, mine.yaml]", "mixed-4", ":5: matrix.cameras: 'mixed-4': must be a list"),
        ("  trace: [short.txt]\n", "", "matrix.trace: is missing, and camera 0 of mixed-4"),
        ("start_spread_s: 3", "start_spread_s: -1", ":2: start_spread_s: -1.0: must be 0 to 600"),
        (
            "seconds: trace",
            "seconds: video",
            ":1: seconds: 'video': must be a number, trace or source",
        ),
        ("seconds: trace", "seconds: true", ":1: seconds: True: must be a number, trace or source"),
        (
            "short.txt",
            "day.txt",
            ":6: matrix.trace[0]: is 7200 s long: must be at most 3600 for seconds: trace",
        ),
    ],
)
def test_a_wrong_experiment_is_refused_in_one_line(
    folder: Path, old: str, new: str, complaint: str
) -> None:
    assert old in GOOD
    (folder / "day.txt").write_text("# period_s: 7200\n5\n")
    (folder / "bad.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError) as caught:
        read_experiment(folder / "bad.yaml")
    assert "bad.yaml" in str(caught.value)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cameras: []", "mine.yaml:1: cameras: number of cameras 0: must be 1 to 64"),
        ("cameras: [{fps: 5}]", "mine.yaml:1: cameras[0].slo_ms: is missing"),
        ("cameras: [{slo_ms: 0, fps: 5}]", "mine.yaml:1: cameras[0].slo_ms: 0.0: must be 1 to "),
        ("cameras: [{slo_ms: 9, fps: 5, start_s: -1}]", "cameras[0].start_s: -1.0: must be 0 to"),
        ("cameras: [{slo_ms: 9, fps: 5, trace: lte}]", "cameras[0].trace: 'lte': must be one of"),
        ("cameras: [{slo_ms: 9, fps: 5, slo: 1}]", "cameras[0].slo: no such option; did you mean"),
        ("cameras: [{slo_ms: 9, fps: 5, trace: short.txt}]", "'mine.yaml': names a trace for each"),
        ("[]", "mine.yaml:1: must be a mapping"),
    ],
)
def test_a_wrong_list_is_refused_in_one_line(folder: Path, text: str, complaint: str) -> None:
    (folder / "mine.yaml").write_text(text + "\n")
    with pytest.raises(UsageError) as caught:
        read_experiment(folder / "good.yaml")
    assert "good.yaml:5: matrix.cameras[1]: " in str(caught.value)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tables_have_each_cameras_slo_and_rate(
    folder: Path, tmp_path: Path, fake_runs: Any, notes: Any
) -> None:
    runs = read_experiment(folder / "good.yaml").runs()
    with open_folder(tmp_path / "out") as results:
        assert run_missing(runs, results, fake_runs, notes) == 0
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["seed"] == "1"]
    assert [(row["cameras"], row["slo_ms"], row["fps"]) for row in rows] == [
        ("mixed-4", "75", "15"), ("mixed-4", "100", "15"), ("mixed-4", "150", "25"),
        ("mixed-4", "75", "25"), ("mine.yaml", "200", "5"), ("mine.yaml", "300", "10"),
    ]  # fmt: skip
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [(row["cameras"], row["clients"], row["slo_ms"], row["num_runs"]) for row in cells] == [
        ("mixed-4", "4", "", "2"), ("mine.yaml", "2", "", "2"),
    ]  # fmt: skip


def test_simulated_cameras_start_in_their_time_and_capture_all_of_it(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    run = read_experiment(folder / "good.yaml").runs()[1]
    assert run_simulated(run, out, lambda *_: None, {}) == []
    check_starts(run, out, 0.1)
    assert measured(run, out).in_time_ratio == read_summary(out).total.in_time_ratio


@pytest.mark.slow
def test_live_cameras_start_in_their_time_and_capture_all_of_it(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    run = read_experiment(folder / "good.yaml").runs()[1]
    assert run_live(run, out, lambda *_: None, {}) == []
    check_starts(run, out, 10.0)  # as long as connecting may take on a busy machine


def check_starts(run: RunConfig, out: Path, most_late_s: float) -> None:
    """Compares a run's logs with what was asked for."""
    frames = read_run_logs(out).frames
    for camera, info in zip(run.cameras(), read_run_info(out).streams, strict=True):
        rows = frames[camera.stream_id]
        assert len(rows) == info.captured == round(run.seconds * camera.fps)
        assert f", starts at {camera.start_s:.2f} s" in info.link
        late_s = min(row.captured_ms for row in rows) / 1000 - camera.start_s
        assert 0 <= late_s <= 1 / camera.fps + most_late_s
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["cameras"] == run.camera_list
    assert "slo_ms" not in settings
