"""`results.csv`, a row for each camera of each run, and `summary.csv`, a row for each cell."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..files.whole_file import write_whole
from ..reporting.energy import TOTAL, EnergyOutcome
from ..reporting.interval import mean_and_interval
from ..reporting.load import starved_words
from ..reporting.scores import Scores
from ..reporting.summary import read_summary
from .folder import ExperimentFolder
from .matrix import RunConfig
from .outcome import CameraOutcome, RunOutcome, read_outcome

RESULTS_FILE = "results.csv"
SUMMARY_FILE = "summary.csv"
STARVED = "starved"
NUM_STARVED = "num_starved"
_ENERGY = ("total_j", "above_idle_j", "answered_frame_j")
_SMALLEST = ("smallest_golden_f1_detected", "smallest_profile_map")
METRICS = (
    "refused_ratio", "in_time_ratio", "missed_ratio", "goodput_fps", "p50_ms", "p99_ms",
    "mean_side_px", "profile_map", "map", "map50", *(f.name for f in dataclasses.fields(Scores)),
    *_SMALLEST, *_ENERGY,
)  # fmt: skip
_SAME = ("in_time_ratio", "goodput_fps", "p50_ms", "p99_ms", "mean_side_px", "map", "map50")

Row = dict[str, object]


def write_tables(folder: ExperimentFolder, runs: Sequence[RunConfig]) -> None:
    """Writes both tables from the finished runs among those given, each whole or not at all.

    Raises:
        UsageError: if a finished run's folder is broken.
        OSError: if they cannot be written.
    """
    results: list[Row] = []
    cells: dict[tuple[object, ...], tuple[Row, list[Mapping[str, float | None]]]] = {}
    num_starved: Counter[tuple[object, ...]] = Counter()
    for run in runs:
        path = folder.finished(run)
        cell: Row = dict(run.cell())
        key = tuple(cell.values())
        _, measured = cells.setdefault(key, (cell, []))
        if path is None:
            continue
        outcome = read_outcome(path)
        is_starved = int(bool(starved_words(path)))
        num_starved[key] += is_starved
        own = {
            one.stream_id: {"slo_ms": one.slo_ms, "fps": one.fps} for one in run.cameras()
        }  # in which cameras may differ
        results.extend(
            {
                "run": path.name,
                **run.factors(),
                **own[one.camera],
                **dataclasses.asdict(one),
                STARVED: is_starved,
            }
            for one in outcome.cameras
        )
        measured.append(_run_metrics(path, outcome))
    columns = [*runs[0].factors(), *(f.name for f in dataclasses.fields(CameraOutcome))]
    _write(folder.root / RESULTS_FILE, ["run", *columns, STARVED], results)
    num_runs = len(runs) // len(cells)
    summary: list[Row] = []
    for key, (cell, measured) in cells.items():
        row: Row = {
            **cell,
            "num_runs": len(measured),
            "num_missing": num_runs - len(measured),
            NUM_STARVED: num_starved[key],
        }
        for name in METRICS:
            values = [value for one in measured if (value := one[name]) is not None]
            row[f"{name}_mean"], row[f"{name}_ci95"] = mean_and_interval(values)
        summary.append(row)
    names = [f"{name}_{what}" for name in METRICS for what in ("mean", "ci95")]
    counts = ["num_runs", "num_missing", NUM_STARVED]
    _write(folder.root / SUMMARY_FILE, [*runs[0].cell(), *counts, *names], summary)


def _run_metrics(folder: Path, outcome: RunOutcome) -> dict[str, float | None]:
    """A run's metrics over all of its frames."""
    cameras = outcome.cameras
    summary = read_summary(folder)
    total, energy = summary.total, summary.energy.get(TOTAL, EnergyOutcome("", ""))
    gained = sum(one.captured * (one.profile_map or 0.0) for one in cameras)
    return {
        "refused_ratio": sum(one.refused for one in cameras) / len(cameras),
        **{name: getattr(total, name) for name in _SAME},
        "missed_ratio": (total.late + total.dropped) / total.captured if total.captured else None,
        "profile_map": gained / total.captured if total.captured else None,
        **dataclasses.asdict(outcome.scores),
        **{name: getattr(outcome, name) for name in _SMALLEST},
        **{name: getattr(energy, name) for name in _ENERGY},
    }


def _write(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    write_whole(path, text.getvalue())


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return "+".join(value)
    return f"{value:.6g}" if isinstance(value, float) else value
