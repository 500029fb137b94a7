"""The figures of an experiment's folder, from its tables and the logs of its runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from ...core.errors import UsageError
from ...files.json_file import read_json
from ...files.tidy_table import levels, read_tidy_table
from ..latency_table import LATENCIES_FILE, write_latencies
from ..load import starved_words
from ..run_folder import FRAMES_FILE
from ..run_logs import read_run_logs
from .clients import draw_clients, with_crews
from .following import MAX_STREAMS, draw_following
from .gallery import FOLLOWING
from .joules import FRAME_J, draw_joules
from .latency_cdf import LATENCY_COLUMNS, Cell, draw_latency_cdf
from .plate import Plate
from .rivals import REPEATS, draw_rivals

RESULTS_FILE = "results.csv"
SUMMARY_FILE = "summary.csv"
RUNS_DIR = "runs"
NOTES_FILE = "experiment.json"
RIVALS_TEXT = (
    "Accuracy of the answers against the share of frames that were late or dropped, one point a rival; up "
    "and to the left is better; one far below stands at the lower edge with its accuracy. Means over "
    "rates, numbers of clients and repeats; the bars are 95 % "
    "confidence intervals over the repeats. The axis of misses is linear up to 1 %."
)
CELL = {"clients": int, "slo_ms": float, "fps": float, "trace": str}
MEASURED = {"run": str, **CELL, "seed": int, "iteration": int, "camera": str, "captured": int}
SUMMED_UP = {
    **CELL,
    "slo_ms": float | None,  # empty where the cameras of a run differ
    "fps": float | None,
    "missed_ratio_mean": float | None,
    "missed_ratio_ci95": float | None,
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment as its tables tell it.

    Attributes:
        folder: of it.
        results: a row for each camera of each run; `rival` names what it ran with.
        factors: columns that tell runs apart.
        options: those of them, beyond the published ones, that differ between runs: what rivals differ in.
        command: what made it.
        detections: where they are from, if devices made none.
    """

    folder: Path
    results: pl.DataFrame
    factors: tuple[str, ...]
    options: tuple[str, ...]
    command: str
    detections: str

    def with_rivals(self, table: pl.DataFrame) -> pl.DataFrame:
        """A table with a column `rival`; empty where there are no rivals."""
        name = pl.lit("")
        if self.options:  # empty where an objective has no use for it
            name = pl.concat_str(self.options, separator=" ", ignore_nulls=True).str.strip_chars()
        return table.with_columns(rival=name)

    def note(self, rows: pl.DataFrame) -> str:
        """Says how many of the runs that rows belong to were starved; empty for none, or where it was not noted."""
        if "starved" not in rows.columns or not rows["starved"].sum():
            return ""
        starved = rows.filter(pl.col("starved") > 0)["run"].n_unique()
        return f"* STARVED: in {starved} of {rows['run'].n_unique()} runs a busy machine captured frames late."

    def pool_latencies(self) -> None:
        """Writes the table of latencies, from the runs; errors as of `write_latencies`."""
        cell = [name for name in self.factors if name not in REPEATS]
        path = self.folder / LATENCIES_FILE
        write_latencies(path, self.results, cell, self.folder / RUNS_DIR)


def read_experiment(folder: Path) -> Experiment:
    """Reads an experiment's folder.

    Raises:
        UsageError: naming the file that is missing or broken.
    """
    results = read_tidy_table(folder / RESULTS_FILE, MEASURED)
    first, last = results.columns.index("run"), results.columns.index("camera")
    factors = tuple(results.columns[first + 1 : last])
    options = tuple(
        name
        for name in factors
        if name not in ("cameras", *CELL, *REPEATS) and results[name].n_unique() > 1
    )
    path = folder / NOTES_FILE
    notes = read_json(path).read(dict[str, str]) if path.exists() else {}
    command = notes.get("command", f"moonjelly experiment run, see {folder / RUNS_DIR}")
    return Experiment(folder, results, factors, options, command, notes.get("detections", ""))


def experiment_plates(folder: Path) -> list[Plate]:
    """The figures that an experiment's folder allows; none if it is no experiment's.

    Raises:
        UsageError: if it is, and its tables are broken.
    """
    if not (folder / RESULTS_FILE).exists():
        return []
    experiment = read_experiment(folder)
    if experiment.results.is_empty():
        raise UsageError(f"{folder / RESULTS_FILE}: has no rows: no run is finished")
    return [
        *_of_clients(experiment),
        *_of_latencies(experiment),
        *_of_following(experiment),
        *_of_rivals(experiment),
        *_of_joules(experiment),
    ]


def _parts(experiment: Experiment, table: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of each trace and rival, and what to call them."""
    table = experiment.with_rivals(table)
    for name in levels(table["rival"]):
        of_rival = table.filter(rival=name)
        for trace in levels(of_rival["trace"]):
            yield f"{trace} {name}".strip(), of_rival.filter(trace=trace)


def _of_clients(experiment: Experiment) -> Iterator[Plate]:
    path = experiment.folder / SUMMARY_FILE
    if not path.exists() or with_crews(experiment.results)["crew"].n_unique() == 1:
        return
    summary = read_tidy_table(path, SUMMED_UP)
    notes = {part: experiment.note(rows) for part, rows in _parts(experiment, experiment.results)}
    for part, cells in _parts(experiment, summary):
        yield Plate(
            figure="clients",
            part=part,
            title=f"Accuracy and missed frames over clients: {part}",
            text="Above: accuracy of the answers. Below: frames that were late or dropped, of those "
            "captured by cameras that were admitted. Means over runs; the bars are 95 % confidence "
            f"intervals. {experiment.detections}".strip(),
            sources=(path,),
            command=experiment.command,
            draw=partial(draw_clients, cells),
            note=notes[part],
        )


def _of_latencies(experiment: Experiment) -> Iterator[Plate]:
    path = experiment.folder / LATENCIES_FILE
    if not path.exists():
        return
    latencies = read_tidy_table(path, CELL | LATENCY_COLUMNS)
    by_part = dict(_parts(experiment, latencies))
    for part, results in _parts(experiment, experiment.results):
        cells = by_part.get(part)
        if cells is None:  # runs that have finished since it was written
            continue
        yield Plate(
            figure="latency_cdf",
            part=part,
            title=f"Latency distributions: {part}",
            text="Share of captured frames that were answered within a time of their capture, up to the "
            "SLO; frames of all cameras and repeats pooled. A frame that was dropped is never answered, "
            "so that the height at the right edge is the share in time. The marks and numbers are the "
            "99th percentile of answered frames.",
            sources=(path,),
            command=experiment.command,
            draw=partial(draw_latency_cdf, cells, _starved_cells(results)),
            note=experiment.note(results),
        )


def _starved_cells(results: pl.DataFrame) -> list[Cell]:
    if "starved" not in results.columns:
        return []
    starved = with_crews(results.filter(pl.col("starved") > 0))
    return [Cell(*row) for row in starved.select(Cell._fields).unique().rows()]


def _of_following(experiment: Experiment) -> Iterator[Plate]:
    """One run each: the fewest clients that fill the figure, the middle SLO, the highest rate."""
    for part, results in _parts(experiment, experiment.results):
        numbers = levels(results["clients"])
        clients = next((one for one in numbers if one >= MAX_STREAMS), numbers[-1])
        fitting = results.filter(clients=clients)
        slos = levels(fitting["slo_ms"])
        fitting = fitting.filter(slo_ms=slos[len(slos) // 2])
        name = fitting.filter(fps=fitting["fps"].max())["run"][0]
        run = experiment.folder / RUNS_DIR / name
        if not run.exists():  # tables alone
            continue
        yield Plate(
            figure=FOLLOWING.name,
            part=part,
            title=f"{FOLLOWING.title}: {part}",
            text=f"{FOLLOWING.text} The run is {run.name}.",
            sources=(run / FRAMES_FILE,),
            command=experiment.command,
            draw=partial(_draw_following, run),
            note=starved_words(run),
        )


def _draw_following(run: Path) -> Figure:
    return draw_following(read_run_logs(run))


def _of_rivals(experiment: Experiment) -> Iterator[Plate]:
    if not experiment.options:
        return
    results = experiment.with_rivals(experiment.results)
    yield Plate(
        figure="rivals",
        title=f"Rivals in {' and '.join(experiment.options)}",
        text=f"{RIVALS_TEXT} {experiment.detections}".strip(),
        sources=(experiment.folder / RESULTS_FILE,),
        command=experiment.command,
        draw=partial(draw_rivals, results, experiment.factors),
        note=experiment.note(results),
    )


def _of_joules(experiment: Experiment) -> Iterator[Plate]:
    """Where devices tell what they take; a figure for each trace and rate."""
    path = experiment.folder / SUMMARY_FILE
    if not path.exists():
        return
    summary = experiment.with_rivals(read_tidy_table(path, SUMMED_UP))
    if FRAME_J not in summary.columns or not summary[FRAME_J].count():
        return
    for trace, fps in summary.select("trace", "fps").unique(maintain_order=True).rows():
        part = f"{trace} {fps:g} fps"
        yield Plate(
            figure="joules",
            part=part,
            title=f"Joules an answered frame over clients: {trace}, {fps:g} frame/s",
            text="Above: all that the devices took over the frames answered. Below: frames that were late or dropped. Means "
            "over runs; the bars are 95 % confidence intervals.",
            sources=(path,),
            command=experiment.command,
            draw=partial(draw_joules, summary.filter(trace=trace, fps=fps)),
            note=experiment.note(experiment.results.filter(trace=trace, fps=fps)),
        )
