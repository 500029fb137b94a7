from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from moonjelly.core.records import ServerFrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.files.csv_log import CsvLog
from moonjelly.reporting.figures import RUN_FIGURES, figure_names, write_figures
from moonjelly.reporting.figures.adaptation import draw_adaptation
from moonjelly.reporting.figures.following import draw_following
from moonjelly.reporting.figures.joules import draw_joules
from moonjelly.reporting.figures.latency import draw_latency
from moonjelly.reporting.figures.profiles import draw_profiles
from moonjelly.reporting.figures.spent import PARTS
from moonjelly.reporting.figures.streams import frame_table
from moonjelly.reporting.figures.style import variant_colours
from moonjelly.reporting.figures.verdicts import draw_verdicts
from moonjelly.reporting.run_folder import SERVER_DIR
from moonjelly.reporting.run_logs import RunLogs, read_run_logs
from moonjelly.zoos import load_latency_profile, load_variants, open_zoo

PLOTS = Path(__file__).parents[2] / "plots"


@pytest.fixture(scope="module")
def run(run_folder: Path) -> RunLogs:
    return read_run_logs(run_folder)


def panels(figure: Figure) -> list[object]:
    return [axes for axes in figure.axes if axes.get_visible()]


def test_every_figure_is_written_as_a_picture(run: RunLogs, tmp_path: Path) -> None:
    pictures = write_figures(tmp_path, run)
    assert [one.path.stem for one in pictures] == [one.name for one in RUN_FIGURES]
    for picture in pictures:
        assert picture.path.read_bytes().startswith(b"\x89PNG")


def test_the_height_of_a_latency_curve_at_the_slo_is_the_share_in_time(run: RunLogs) -> None:
    figure = draw_latency(run)
    for stream, axes in zip(run.streams, figure.axes, strict=True):
        rows = run.frames[stream.stream_id]
        curve = max(axes.lines, key=lambda line: len(line.get_xdata()))
        x, y = np.array(curve.get_xdata()), np.array(curve.get_ydata())
        share = sum(row.verdict == Verdict.IN_TIME for row in rows) / len(rows)
        assert y[x <= stream.slo_ms].max() == pytest.approx(share)
        assert y.max() < 1.0  # some were dropped


def test_the_bars_of_the_verdicts_add_up_to_the_frames(run: RunLogs) -> None:
    figure = draw_verdicts(run)
    for stream, axes in zip(run.streams, figure.axes, strict=True):
        drawn = sum(bar.get_height() for bar in axes.patches)
        assert drawn == len(run.frames[stream.stream_id])


def test_the_parts_of_the_latency_add_up_to_it(run: RunLogs) -> None:
    for stream_id in run.frames:
        frames = frame_table(run, stream_id).drop_nulls("latency_ms")
        total = frames.select(pl.sum_horizontal(part for _, _, part in PARTS)).to_series()
        assert total.to_list() == pytest.approx(frames["latency_ms"].to_list())


def test_figures_begin_with_the_first_frame_whenever_that_was(run: RunLogs) -> None:
    later = RunLogs(
        run.info,
        {
            name: tuple(row._replace(captured_ms=row.captured_ms + 9000) for row in rows)
            for name, rows in run.frames.items()
        },
        run.links,
    )
    heights = [
        [bar.get_height() for axes in draw_verdicts(one).axes for bar in axes.patches]
        for one in (run, later)
    ]
    assert heights[0] == heights[1]


@pytest.mark.parametrize("figure", RUN_FIGURES, ids=lambda figure: figure.name)
def test_a_run_without_answers_or_links_can_be_drawn(run: RunLogs, figure: object) -> None:
    bare = RunLogs(run.info, dict.fromkeys(run.frames, ()), {})
    drawn = figure.draw(bare)  # type: ignore[attr-defined]
    assert panels(drawn)


def test_an_advised_side_lies_inside_its_panel_though_no_frame_was_sent_at_it(run: RunLogs) -> None:
    advised = {
        name: tuple(
            row._replace(advised_side_px=608 if k % 2 else 64) for k, row in enumerate(rows)
        )
        for name, rows in run.frames.items()
    }
    figure = draw_adaptation(RunLogs(run.info, advised, run.links))
    for axes in figure.axes[1::2]:
        low, high = axes.get_ylim()
        assert low < 64
        assert high > 608


def test_what_the_server_planned_with_is_drawn_where_its_frames_reached_it(
    run_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(run_folder, tmp_path / "run")
    stream_id = read_run_logs(folder).streams[0].stream_id
    (folder / SERVER_DIR).mkdir()
    for number, sequences in enumerate(((0, 2), (1, 3))):  # two endpoints
        path = folder / SERVER_DIR / f"server_frames-{number}.csv"
        with CsvLog(path, ServerFrameRecord) as log:
            for sequence in sequences:
                log.write(
                    ServerFrameRecord(
                        stream_id,
                        1,
                        sequence,
                        0.0,
                        0.0,
                        0.0,
                        100,
                        320,
                        9000.0,
                        1000.0 + sequence,
                        "answered",
                    )
                )
    run = read_run_logs(folder)
    figure = draw_following(run)
    expected = frame_table(run, stream_id).filter(pl.col("sequence") < 4)["captured_s"].to_list()
    lines = [line for axes in figure.axes for line in axes.lines if line.get_linestyle() == ":"]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in lines]
    assert (expected, pytest.approx([1.0, 1.001, 1.002, 1.003])) in drawn
    assert "server's estimate" in legend(figure)
    assert "server's estimate" not in legend(draw_following(read_run_logs(run_folder)))


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def test_all_sides_of_a_network_share_a_colour() -> None:
    colours = variant_colours(["traffic-n-128", "traffic-n-256", "traffic-s-256"])
    assert list(colours) == ["traffic-n", "traffic-s"]
    assert len(set(colours.values())) == 2


def test_a_zoo_is_drawn_from_its_tables() -> None:
    folder = open_zoo("replayed-gpu").folder
    variants = load_variants(folder / "variants.csv")
    figure = draw_profiles(variants, load_latency_profile(folder / "latency-gpu.csv", variants))
    assert len(figure.axes[1].lines) == len(variants)


def test_each_figure_has_a_script_of_its_own(run_folder: Path, tmp_path: Path) -> None:
    assert set(figure_names()) <= {path.stem for path in PLOTS.glob("*.py")}
    command = [sys.executable, str(PLOTS / "verdicts.py"), str(run_folder), "--out", str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "verdicts.pdf", "verdicts.png", "verdicts.txt",
    }  # fmt: skip


def test_a_script_names_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(PLOTS / "latency.py"), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "holds nothing to draw" in done.stderr
    assert "Traceback" not in done.stderr


def test_joules_are_drawn_for_each_rival_and_a_cell_without_has_no_point() -> None:
    rows = [
        {
            "slo_ms": 100.0, "clients": clients, "rival": rival, "missed_ratio_mean": 0.01,
            "missed_ratio_ci95": None, "answered_frame_j_mean": frame_j, "answered_frame_j_ci95": 0.1,
        }
        for rival, clients, frame_j in (("a", 2, 0.8), ("a", 4, 0.5), ("b", 2, None), ("b", 4, 0.4))
    ]  # fmt: skip
    above, below = draw_joules(pl.DataFrame(rows)).axes
    drawn = [
        [np.asarray(bars[0].get_xydata()).tolist() for bars in axes.containers]  # type: ignore[index]
        for axes in (above, below)
    ]
    assert drawn == [
        [[[0, 0.8], [1, 0.5]], [[1, 0.4]]],
        [[[0, 1.0], [1, 1.0]], [[0, 1.0], [1, 1.0]]],
    ]
