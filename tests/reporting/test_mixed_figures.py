"""Figures of runs whose cameras differ in SLO and rate."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from moonjelly.core.records import FrameRecord
from moonjelly.files.csv_log import CsvLog
from moonjelly.files.tidy_table import read_tidy_table
from moonjelly.reporting.figures.clients import draw_clients
from moonjelly.reporting.figures.experiment import (
    SUMMED_UP,
    experiment_plates,
    read_experiment,
)
from moonjelly.reporting.figures.following import draw_following
from moonjelly.reporting.figures.latency_cdf import draw_latency_cdf
from moonjelly.reporting.figures.verdicts import draw_verdicts
from moonjelly.reporting.run_folder import RunInfo, StreamInfo
from moonjelly.reporting.run_logs import RunLogs

CAMERAS = {"camera-0": (75, 15, 20.0), "camera-1": (150, 25, 90.0), "camera-2": (75, 15, 40.0)}
LISTS = {"three": 3, "two": 2, "mine.yaml": 2}


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of each list; every frame of a camera is answered after the same time."""
    root = tmp_path_factory.mktemp("mixed")
    results, summary = [], []
    for name, number in LISTS.items():
        cell = {"cameras": name, "clients": number, "slo_ms": "", "fps": "", "trace": "lte"}
        (root / "runs" / name).mkdir(parents=True)
        with CsvLog(root / "runs" / name / "frames.csv", FrameRecord) as log:
            for camera, (slo_ms, fps, latency_ms) in list(CAMERAS.items())[:number]:
                for sequence in range(fps):
                    log.write(FrameRecord(camera, sequence, 0.0, "in_time", latency_ms=latency_ms))
                results.append(
                    {
                        "run": name, **cell, "slo_ms": slo_ms, "fps": fps, "seed": 0, "iteration": 0,
                        "camera": camera, "refused": 0, "captured": fps, "late": 0, "dropped": 0,
                        "profile_map": 0.4, "starved": int(name == "two"),
                    }
                )  # fmt: skip
        summary.append(
            {
                **cell, "num_starved": 0, "missed_ratio_mean": 0.1, "missed_ratio_ci95": "",
                "refused_ratio_mean": 0.0, "profile_map_mean": 0.1 * number, "profile_map_ci95": "",
            }
        )  # fmt: skip
    write_csv(root / "results.csv", results)
    write_csv(root / "summary.csv", summary)
    read_experiment(root).pool_latencies()
    return root


def test_latencies_are_counted_by_what_cameras_promise(folder: Path) -> None:
    rows = read_tidy_table(folder / "latencies.csv", {})
    three = rows.filter(cameras="three").sort("slo_ms", "latency_ms")
    told = three.select("slo_ms", "fps", "captured", "latency_ms", "answered").rows()
    assert told == [(75, 15, 30, 20, 15), (75, 15, 30, 40, 30), (150, 25, 25, 90, 25)]


def test_a_list_of_cameras_is_a_line_where_some_keep_an_slo_and_rate(folder: Path) -> None:
    table = read_tidy_table(folder / "latencies.csv", {"cameras": str, "fps": float})
    figure = draw_latency_cdf(table)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "two", "mine.yaml", "three",
    ]  # fmt: skip
    shown = [axes.texts[0].get_text() if axes.texts else "" for axes in figure.axes]
    assert shown[0].splitlines() == ["p99 (ms)", "two: 20", "mine.yaml: 20", "three: 40"]
    assert shown[1] == shown[2] == ""  # no camera has 150 ms at 15 frame/s, or 75 ms at 25
    assert shown[3].splitlines()[-1] == "three: 90"


def test_cameras_that_differ_are_one_point_of_their_list(folder: Path) -> None:
    above, below = draw_clients(read_tidy_table(folder / "summary.csv", SUMMED_UP)).axes
    assert above.get_title(loc="left") == "each camera its SLO"
    assert [text.get_text() for text in below.get_xticklabels()] == ["two", "mine.yaml", "three"]
    assert list(above.lines[0].get_ydata()) == pytest.approx([0.2, 0.2, 0.3])
    assert [bar.get_height() for bar in below.patches] == pytest.approx([10.0] * 3)


def test_lists_are_no_rivals_and_starved_ones_are_marked(folder: Path) -> None:
    plates = {plate.figure: plate for plate in experiment_plates(folder)}
    assert plates.keys() == {"clients", "latency_cdf", "following"}
    assert "STARVED: in 1 of 3 runs" in plates["latency_cdf"].note
    drawn = plates["latency_cdf"].draw()
    assert "two*: 20" in drawn.axes[0].texts[0].get_text()


@pytest.mark.parametrize(("start_s", "shown_s"), [(0.0, 2.0), (0.3, 2.0), (3.0, 4.9)])
def test_figures_of_a_run_reach_to_the_last_frame_of_a_camera_that_starts_late(
    start_s: float, shown_s: float
) -> None:
    streams = tuple(StreamInfo(name, 10, 100, 20) for name in ("camera-0", "camera-1"))
    frames = {
        stream.stream_id: tuple(
            FrameRecord(stream.stream_id, k, 1000 * begin_s + 100.0 * k, "in_time")
            for k in range(20)
        )
        for stream, begin_s in zip(streams, (5.0, 5.0 + start_s), strict=True)
    }
    run = RunLogs(RunInfo("experiment", 2.0, streams), frames, {})
    assert run.shown_s == pytest.approx(shown_s)
    below = draw_following(run).axes[-1]
    assert below.get_xlim() == pytest.approx((0, shown_s))
    bars = [bar for axes in draw_verdicts(run).axes for bar in axes.patches]
    assert sum(bar.get_height() for bar in bars) == 40
