from __future__ import annotations

import csv
import itertools
import json
import math
import shutil
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from moonjelly.cli import main
from moonjelly.core.errors import UsageError
from moonjelly.core.records import FrameRecord
from moonjelly.files.csv_log import CsvLog
from moonjelly.files.tidy_table import levels, read_tidy_table
from moonjelly.reporting.figures import (
    draw_folder,
    estimators,
    figure_names,
    twin,
    write_figures,
)
from moonjelly.reporting.figures.clients import draw_clients
from moonjelly.reporting.figures.experiment import SUMMED_UP, experiment_plates, read_experiment
from moonjelly.reporting.figures.latency_cdf import LATENCY_COLUMNS, draw_latency_cdf
from moonjelly.reporting.figures.rivals import draw_rivals, rival_point
from moonjelly.reporting.figures.studies import TIMINGS_COLUMNS, draw_timings
from moonjelly.reporting.load import MachineLoad, write_load
from moonjelly.reporting.run_folder import RunInfo, StreamInfo, write_run_info
from moonjelly.reporting.run_logs import read_run_logs
from moonjelly.zoos import open_zoo

SECONDS = 4.0
CLIENTS, SLOS, RATES, POLICIES, SEEDS = (1, 2), (100.0, 150.0), (10.0,), ("ours", "best"), (0, 1)
FACTORS = ("clients", "slo_ms", "fps", "trace", "policy", "seed", "iteration")


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def write_run(folder: Path, num_clients: int, slo_ms: float, fps: float) -> None:
    folder.mkdir(parents=True)
    names = [f"camera-{k}" for k in range(num_clients)]
    with CsvLog(folder / "frames.csv", FrameRecord) as log:
        for name, number in itertools.product(names, range(int(SECONDS * fps))):
            latency_ms = None if number % 9 == 0 else slo_ms * (0.3 + 0.02 * (number % 30))
            log.write(
                FrameRecord(
                    name, number, 1000 * number / fps,
                    "dropped" if latency_ms is None else "in_time",
                    latency_ms=latency_ms, bandwidth_kbps=4000.0,
                    variant="" if latency_ms is None else f"yolo-{(224, 320)[number // 20]}",
                )
            )  # fmt: skip
    streams = tuple(StreamInfo(name, fps, slo_ms, int(SECONDS * fps)) for name in names)
    write_run_info(folder, RunInfo("experiment", SECONDS, streams))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two policies, one of which misses twice as much, and some more with another seed."""
    root = tmp_path_factory.mktemp("experiment")
    results: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    for clients, slo, fps, policy in itertools.product(CLIENTS, SLOS, RATES, POLICIES):
        cell = {"clients": clients, "slo_ms": slo, "fps": fps, "trace": "lte", "policy": policy}
        for seed in SEEDS:
            run = f"{clients}-{slo:g}-{policy}-{seed}"
            write_run(root / "runs" / run, clients, slo, fps)
            dropped = (4 if policy == "best" else 2) + seed
            results += [
                {
                    "run": run, **cell, "seed": seed, "iteration": 0, "camera": f"camera-{k}",
                    "refused": 0, "captured": 40, "late": 0, "dropped": dropped,
                    "profile_map": 0.4 if policy == "best" else 0.3,
                }
                for k in range(clients)
            ]  # fmt: skip
        summary.append(
            {
                **cell, "num_runs": 2, "num_missing": 0, "refused_ratio_mean": 0.25,
                "missed_ratio_mean": 0.1, "missed_ratio_ci95": 0.02,
                "profile_map_mean": 0.4, "profile_map_ci95": "",
                "answered_frame_j_mean": 0.2 * clients, "answered_frame_j_ci95": "",
            }
        )  # fmt: skip
    write_csv(root / "results.csv", results)
    write_csv(root / "summary.csv", summary)
    notes = {"command": "moonjelly experiment run mine.yaml", "detections": "Found by zoo traffic."}
    (root / "experiment.json").write_text(json.dumps(notes))
    read_experiment(root).pool_latencies()
    return root


def test_an_experiment_becomes_figures_with_captions(experiment: Path, tmp_path: Path) -> None:
    paths = draw_folder(experiment, tmp_path)
    assert sorted(paths) == sorted(tmp_path.iterdir())
    parts = ["lte-best", "lte-ours"]
    kinds = ["clients", "following", "latency_cdf"]
    names = [f"{kind}-{part}" for kind in kinds for part in parts] + ["rivals"]
    names += ["joules-lte-10-fps"]
    assert sorted({path.stem for path in paths}) == sorted(names)
    for name in names:
        picture = (tmp_path / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", picture[16:24])
        assert width >= 500
        assert height >= 300
        page = (tmp_path / f"{name}.pdf").read_bytes()
        assert page.startswith(b"%PDF-")
        assert b"/FontFile2" in page  # embedded, as TrueType
        assert b"/Type3" not in page
        caption = (tmp_path / f"{name}.txt").read_text()
        assert "data:   moonjelly experiment run mine.yaml\n" in caption
        is_of_answers = name.startswith(("clients", "rivals"))
        assert ("Found by zoo traffic." in " ".join(caption.split())) == is_of_answers
        assert (
            f"figure: moonjelly figures {experiment} --only {name.partition('-')[0]}\n" in caption
        )


def test_what_a_starved_machine_made_is_marked(experiment: Path, tmp_path: Path) -> None:
    folder = tmp_path / "starved"
    shutil.copytree(experiment, folder)
    run = "2-150-ours-0"
    write_load(folder / "runs" / run, MachineLoad(0.9, 1.0, 25.0, 30.0))
    results = read_tidy_table(folder / "results.csv", {})
    starved = results.with_columns(starved=(pl.col("run") == run).cast(pl.Int64))
    starved.write_csv(folder / "results.csv")
    summary = read_tidy_table(folder / "summary.csv", {})
    is_cell = (pl.col("policy") == "ours") & (pl.col("clients") == 2) & (pl.col("slo_ms") == 150)
    summary = summary.with_columns(num_starved=is_cell.cast(pl.Int64))
    summary.write_csv(folder / "summary.csv")

    plates = {plate.name: plate for plate in experiment_plates(folder)}
    assert {name for name, plate in plates.items() if plate.note} == {
        "clients-lte-ours", "latency_cdf-lte-ours", "following-lte-ours", "joules-lte-10-fps", "rivals",
    }  # fmt: skip
    assert "in 1 of 8 runs" in plates["clients-lte-ours"].note
    draw_folder(folder, only=["clients"])
    caption = (folder / "figures" / "clients-lte-ours.txt").read_text()
    assert "* STARVED: in 1 of 8 runs" in " ".join(caption.split())

    bars = plates["clients-lte-ours"].draw().axes[3].texts
    assert "*" in {text.get_text() for text in bars}
    (numbers,) = plates["latency_cdf-lte-ours"].draw().axes[1].texts
    assert "2*: " in numbers.get_text()
    assert "1: " in numbers.get_text()
    (legend,) = plates["rivals"].draw().legends
    assert [text.get_text() for text in legend.get_texts()] == ["ours*", "best"]


def test_a_run_of_a_starved_machine_is_marked(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    write_load(folder, MachineLoad(0.9, 1.0, 25.0, 30.0))
    words = "STARVED: frames captured up to 25 ms late"
    for picture in write_figures(folder, read_run_logs(folder)):
        assert picture.text.endswith(words)
    draw_folder(folder, only=["following", "spent"])
    for name in ("following", "spent"):
        assert words in " ".join((folder / "figures" / f"{name}.txt").read_text().split())


def test_the_same_files_give_the_same_bytes(experiment: Path, tmp_path: Path) -> None:
    first = draw_folder(experiment, tmp_path / "a", ["rivals", "following"])
    second = draw_folder(experiment, tmp_path / "b", ["rivals", "following"])
    assert [path.name for path in first] == [path.name for path in second]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_run_is_drawn_whatever_made_it(run_folder: Path, tmp_path: Path) -> None:
    paths = draw_folder(run_folder, tmp_path)
    names = ["latency", "adaptation", "verdicts", "spent", "following"]
    assert list(dict.fromkeys(path.stem for path in paths)) == names
    assert "run.json" in (tmp_path / "latency.txt").read_text()


def test_a_zoo_is_drawn_once_for_each_device_type(tmp_path: Path) -> None:
    paths = draw_folder(open_zoo("replayed-gpu").folder, tmp_path)
    assert {path.name for path in paths} == {f"profiles-gpu.{end}" for end in ("pdf", "png", "txt")}


def test_a_benchmark_of_policies_is_known_by_its_columns(tmp_path: Path) -> None:
    header = "trace,slo_ms,policy,seed,captured,late,dropped,profile_map\n"
    text = "# command: python benchmarks/adaptation.py\n" + header + "lte,100,ours,0,10,1,0,0.3\n"
    (tmp_path / "adaptation.csv").write_text(text)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary[1].csv").write_bytes(b"\xff\xfe\x00")
    paths = draw_folder(tmp_path, tmp_path / "out")
    assert {path.stem for path in paths} == {"rivals"}
    assert "data:   python benchmarks/adaptation.py\n" in paths[2].read_text()


def test_errors_of_estimators_are_drawn_as_distributions(tmp_path: Path) -> None:
    rows = [
        {"recording": link, "estimator": name, "share_ratio": share, "error_ratio": 0.1 * share}
        for link in ("lte", "wifi") for name in ("ewma", "ours") for share in (0.1, 0.5, 0.9)
    ]  # fmt: skip
    write_csv(tmp_path / "errors.csv", rows)
    axes = estimators.draw_estimators(
        read_tidy_table(tmp_path / "errors.csv", estimators.COLUMNS)
    ).axes
    assert [one.get_title(loc="left") for one in axes if one.get_visible()] == ["lte", "wifi"]
    curve = axes[0].lines[1]
    assert list(curve.get_xdata()) == pytest.approx([1.0, 5.0, 9.0])
    assert list(curve.get_ydata()) == [0.1, 0.5, 0.9]
    assert {path.stem for path in draw_folder(tmp_path)} == {"estimators"}


def test_a_cell_lies_where_its_live_and_simulated_values_meet(tmp_path: Path) -> None:
    cell = {"scenario": "small", "clients": 2, "trace": "lte"}
    live = {"side": "live", "in_time_ratio": 0.99, "accuracy": 0.4, "p50_ms": 50}
    simulated = {"side": "simulated", "in_time_ratio": 0.98, "accuracy": "", "p50_ms": 48}
    write_csv(tmp_path / "twin.csv", [{**cell, **live}, {**cell, **simulated}])
    in_time, accuracy, p50 = twin.draw_twin(
        read_tidy_table(tmp_path / "twin.csv", twin.COLUMNS)
    ).axes
    points = [(axes.lines[0].get_xdata(), axes.lines[0].get_ydata()) for axes in (in_time, p50)]
    assert [(list(x), list(y)) for x, y in points] == [([99.0], [98.0]), ([50.0], [48.0])]
    assert len(accuracy.lines[0].get_xdata()) == 0  # one side has none
    assert {path.stem for path in draw_folder(tmp_path)} == {"twin"}


def test_a_cell_is_a_point_with_its_interval_and_a_bar(experiment: Path) -> None:
    summary = read_tidy_table(experiment / "summary.csv", SUMMED_UP).filter(policy="ours")
    above, _, below, _ = draw_clients(summary).axes
    line = above.lines[0]
    assert list(line.get_ydata()) == [0.4, 0.4]
    assert [bar.get_height() for bar in below.patches] == pytest.approx([10.0, 10.0])
    assert {text.get_text() for text in below.texts} == {"25 % refused"}


def test_what_the_smallest_variant_reaches_is_a_line_of_its_own(experiment: Path) -> None:
    summary = read_tidy_table(experiment / "summary.csv", SUMMED_UP).filter(policy="ours")
    for column, expected in (("smallest_profile_map_mean", [0.17]), ("smallest_map_mean", [])):
        figure = draw_clients(summary.with_columns(pl.lit(0.17).alias(column)))
        dashed = [
            line.get_ydata()[0]
            for axes in figure.axes[:2]
            for line in axes.lines
            if line.get_linestyle() == "--" and len({*line.get_ydata()}) == 1
        ]
        assert [one for one in dashed if one == 0.17] == expected * 2


def test_an_interval_ends_inside_its_panel_and_where_shares_end(experiment: Path) -> None:
    summary = read_tidy_table(experiment / "summary.csv", SUMMED_UP).filter(policy="ours")
    wide = summary.with_columns(
        profile_map_mean=0.9, profile_map_ci95=0.4, missed_ratio_mean=0.7, missed_ratio_ci95=0.9
    )
    above, _, below, _ = draw_clients(wide).axes
    for axes, most in ((above, 1.0), (below, 100.0)):
        ends = {round(y, 9) for bars in axes.collections for _, y in bars.get_segments()[0]}
        assert max(ends) == most < axes.get_ylim()[1]


def test_rivals_that_hardly_differ_look_so_and_none_is_cut(experiment: Path) -> None:
    table = read_experiment(experiment)
    results = table.with_rivals(table.results).with_columns(
        profile_map=0.433 + 1e-6 * pl.col("seed"),
        late=pl.when(rival="best").then(35).otherwise(0),
        dropped=0,
    )
    figure = draw_rivals(results, FACTORS)
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert axes.yaxis.get_offset_text().get_text() == ""
        low, high = axes.get_ylim()
        assert high - low >= 0.01
        left, right = axes.get_xlim()
        missed = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in "os"]
        assert sorted(missed) == [0, 87.5]
        edge = axes.transData.transform([(left, low), (0, low), (87.5, low), (right, low)])[:, 0]
        assert min(edge[1] - edge[0], edge[3] - edge[2]) > 5.6  # pixels: half a marker


def test_a_rival_is_the_mean_over_cells_with_an_interval_over_seeds(experiment: Path) -> None:
    table = read_experiment(experiment)
    results = table.with_rivals(table.results)
    assert levels(results["rival"]) == ["ours", "best"]
    point = rival_point(results.filter(rival="ours", slo_ms=100.0), FACTORS, "profile_map")
    assert point is not None
    mean, half = point.missed_ratio  # 2 of 40 with one seed, 3 of 40 with the other
    assert mean == pytest.approx(2.5 / 40)
    assert half == pytest.approx(12.7062 * 0.5 / 40, rel=1e-4)  # t of 1 degree of freedom
    assert point.accuracy == (pytest.approx(0.3), pytest.approx(0))
    figure = draw_rivals(results, FACTORS)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "lte, SLO 100 ms", "lte, SLO 150 ms",
    ]  # fmt: skip
    for axes in figure.axes:  # 0.3 against 0.4 would squeeze the rest
        assert [text.get_text() for text in axes.texts] == ["0.30 \u2193"]


def test_latencies_are_counted_by_cell_over_all_of_its_runs(experiment: Path) -> None:
    table = read_tidy_table(experiment / "latencies.csv", {})
    assert table.columns == [
        "clients", "slo_ms", "fps", "trace", "policy", "captured", "latency_ms", "answered",
    ]  # fmt: skip
    cell = table.filter(clients=2, slo_ms=100.0, policy="ours")
    numbers = [number for number in range(40) if number % 9]  # of each camera of each run
    expected = Counter(math.ceil(30 + 2 * (number % 30)) for number in numbers)
    in_order = sorted(expected)
    assert cell["latency_ms"].to_list() == in_order
    counts = itertools.accumulate(4 * expected[latency_ms] for latency_ms in in_order)
    assert cell["answered"].to_list() == list(counts)
    assert cell["captured"].unique().to_list() == [160]


def test_tables_alone_are_enough_but_for_figures_of_single_runs(
    experiment: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in ("results.csv", "summary.csv", "latencies.csv"):
        shutil.copy(experiment / name, folder)
    assert {plate.figure for plate in experiment_plates(folder)} == {
        "clients", "joules", "latency_cdf", "rivals",
    }  # fmt: skip


def latency_rows(captured: int, *counts: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [(2, 100.0, 15.0, captured, latency_ms, answered) for latency_ms, answered in counts],
        list(LATENCY_COLUMNS),
        orient="row",
    )


def test_the_height_of_a_distribution_counts_frames_without_an_answer() -> None:
    figure = draw_latency_cdf(latency_rows(8, (10, 1), (20, 2), (30, 3), (40, 4)))
    curve = max(figure.axes[0].lines, key=lambda line: len(line.get_xdata()))
    assert max(curve.get_ydata()) == 0.5
    assert figure.axes[0].get_xlim() == (0, 100)


def test_a_cell_in_which_nothing_was_answered_is_drawn(experiment: Path) -> None:
    assert draw_latency_cdf(latency_rows(0, (0, 0))).axes
    results = read_tidy_table(experiment / "results.csv", {}).with_columns(captured=0)
    assert rival_point(results, FACTORS, "profile_map") is None


def test_a_broken_run_is_named_and_leaves_no_half_table(experiment: Path) -> None:
    path, table = experiment / "runs" / "1-100-ours-0" / "frames.csv", experiment / "latencies.csv"
    whole, before = path.read_text(), table.read_bytes()
    try:
        path.write_text("stream_id,latency_ms\ngate,soon\n")
        with pytest.raises(UsageError, match=r"1-100-ours-0/frames\.csv:2:latency_ms: 'soon'"):
            read_experiment(experiment).pool_latencies()
        assert table.read_bytes() == before
    finally:
        path.write_text(whole)


def test_a_broken_table_is_named_and_leaves_no_half_figure(
    experiment: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "broken", tmp_path / "figures"
    folder.mkdir()
    for name in ("results.csv", "summary.csv"):
        shutil.copy(experiment / name, folder)
    text = (experiment / "latencies.csv").read_text()
    (folder / "latencies.csv").write_text(text.replace(",ours,", ",ours,few", 1))
    with pytest.raises(UsageError, match=r"latencies\.csv:2:captured: 'few80'"):
        draw_folder(folder, out, ["latency_cdf"])
    assert not out.exists()


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (["tea"], "figure tea: must be one of latency, adaptation"),
        (["profiles"], "figure profiles: .* holds no data for it; it has data for clients"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_named(
    experiment: Path, only: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        draw_folder(experiment, only=only)


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds nothing to draw; it must hold a run"):
        draw_folder(tmp_path)
    with pytest.raises(UsageError, match="is no folder"):
        draw_folder(tmp_path / "none")
    (tmp_path / "results.csv").write_text(
        "run,clients,slo_ms,fps,trace,seed,iteration,camera,captured\n"
    )
    with pytest.raises(UsageError, match=r"results\.csv: has no rows: no run is finished"):
        draw_folder(tmp_path)
    (tmp_path / "results.csv").write_text("run,camera\n")
    with pytest.raises(UsageError, match=r"results\.csv:1: lacks the columns clients, slo_ms"):
        draw_folder(tmp_path)


def test_the_command_says_where_the_figures_are(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["figures", str(run_folder), "--out", str(tmp_path), "--only", "verdicts"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / f"verdicts.{end}") for end in ("pdf", "png", "txt")]
    assert main(["figures", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"moonjelly: error: {tmp_path / 'none'}: is no folder\n"
    (tmp_path / "file").write_text("")
    assert main(["figures", str(run_folder), "--out", str(tmp_path / "file")]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert "rivals" in figure_names()


def test_timings_tell_devices_from_clients_of_each(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "timings.csv",
        [
            {
                "num_devices": devices, "clients_per_device": clients, "planner": planner,
                "processor_ms": devices * 10.0 + clients + instance,
            }
            for devices, clients, planner in itertools.product((2, 4), (4, 8), ("sa-dp", "pricing"))
            for instance in range(3)
        ],
    )  # fmt: skip
    figure = draw_timings(read_tidy_table(tmp_path / "timings.csv", TIMINGS_COLUMNS))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["sa-dp", "pricing"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["2 devices", "4 devices"]
    for axes in figure.axes:
        medians = [[*line.get_ydata()] for line in axes.lines if line.get_marker() in "os"]
        assert medians == [[25.0, 29.0], [45.0, 49.0]]  # 2 x 8 and 4 x 4 are two points
    assert {path.stem for path in draw_folder(tmp_path)} == {"timings"}
