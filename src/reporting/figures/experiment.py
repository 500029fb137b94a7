"""The figures of an experiment's folder, from its tables and the logs of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from ...core.errors import UsageError
from ..run_folder import FRAMES_FILE, read_json
from ..run_logs import read_run_logs
from ..tidy_table import TidyRow, TidyTable, read_tidy_table
from .clients import draw_clients
from .following import MAX_STREAMS, draw_following
from .gallery import FOLLOWING
from .latency_cdf import Cell, draw_latency_cdf, pool_latencies
from .plate import Plate
from .rivals import REPEATS, draw_rivals

RESULTS_FILE = "results.csv"
SUMMARY_FILE = "summary.csv"
RUNS_DIR = "runs"
NOTES_FILE = "experiment.json"
OWN_FACTORS = ("clients", "slo_ms", "fps", "trace")
RIVALS_TEXT = (
    "Accuracy of the answers against the share of frames that were late or dropped, one point a rival; up "
    "and to the left is better; one far below stands at the lower edge with its accuracy. Means over "
    "rates, numbers of clients and repeats; the bars are 95 % "
    "confidence intervals over the repeats. The axis of misses is linear up to 1 %."
)
MEASURED = ("run", "clients", "slo_ms", "fps", "trace", "seed", "iteration", "camera", "captured")


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment as its tables tell it.

    Attributes:
        folder: of it.
        results: a row for each camera of each run.
        factors: columns that tell runs apart.
        options: those of them, beyond the published ones, that differ between runs: what rivals differ in.
        command: what made it.
    """

    folder: Path
    results: TidyTable
    factors: tuple[str, ...]
    options: tuple[str, ...]
    command: str

    def rivals(self, table: TidyTable) -> dict[str, TidyTable]:
        """The rows of each rival, in their order; all under "" where there are no rivals."""
        names = dict.fromkeys(self._rival(row) for row in table.rows)
        return {
            name: TidyTable(
                table.path, table.notes, table.columns,
                tuple(row for row in table.rows if self._rival(row) == name),
            )
            for name in names
        }  # fmt: skip

    def _rival(self, row: TidyRow) -> str:
        return " ".join(row[name] for name in self.options)

    def run_folders(self, rows: Sequence[TidyRow]) -> list[Path]:
        """The folders of the runs that rows belong to."""
        names = dict.fromkeys(row["run"] for row in rows)
        return [self.folder / RUNS_DIR / name for name in names]


def read_experiment(folder: Path) -> Experiment:
    """Reads an experiment's folder.

    Raises:
        UsageError: naming the file that is missing or broken.
    """
    results = read_tidy_table(folder / RESULTS_FILE, MEASURED)
    first, last = results.columns.index("run"), results.columns.index("camera")
    factors = results.columns[first + 1 : last]
    options = tuple(
        name
        for name in factors
        if name not in (*OWN_FACTORS, *REPEATS) and len(results.levels(name)) > 1
    )
    command = f"moonjelly experiment run, see {folder / RUNS_DIR}"
    if (folder / NOTES_FILE).exists():
        command = str(read_json(folder / NOTES_FILE).get("command", command))
    return Experiment(folder, results, factors, options, command)


def experiment_plates(folder: Path) -> list[Plate]:
    """The figures that an experiment's folder allows; none if it is no experiment's.

    Raises:
        UsageError: if it is, and its tables are broken.
    """
    if not (folder / RESULTS_FILE).exists():
        return []
    experiment = read_experiment(folder)
    if not experiment.results.rows:
        raise UsageError(f"{folder / RESULTS_FILE}: has no rows: no run is finished")
    return [
        *_of_clients(experiment),
        *_of_latencies(experiment),
        *_of_following(experiment),
        *_of_rivals(experiment),
    ]


def _parts(experiment: Experiment, table: TidyTable) -> Iterator[tuple[str, TidyTable]]:
    """The rows of each trace and rival, and what to call them."""
    for name, rows in experiment.rivals(table).items():
        for trace in rows.levels("trace"):
            yield f"{trace} {name}".strip(), rows.where(trace=trace)


def _of_clients(experiment: Experiment) -> Iterator[Plate]:
    path = experiment.folder / SUMMARY_FILE
    if not path.exists() or len(experiment.results.levels("clients")) == 1:
        return
    summary = read_tidy_table(path, (*OWN_FACTORS, "missed_ratio_mean", "missed_ratio_ci95"))
    for part, cells in _parts(experiment, summary):

        def draw(cells: TidyTable = cells) -> Figure:
            return draw_clients(cells)

        yield Plate(
            figure="clients",
            part=part,
            title=f"Accuracy and missed frames over clients: {part}",
            text="Above: accuracy of the answers. Below: frames that were late or dropped, of those "
            "captured by cameras that were admitted. Means over runs; the bars are 95 % confidence "
            "intervals.",
            sources=(path,),
            command=experiment.command,
            draw=draw,
        )


def _of_latencies(experiment: Experiment) -> Iterator[Plate]:
    for part, results in _parts(experiment, experiment.results):

        def draw(results: TidyTable = results) -> Figure:
            cells: dict[Cell, list[TidyRow]] = {}
            for row in results.rows:
                cells.setdefault(Cell(row["fps"], row["slo_ms"], row["clients"]), []).append(row)
            return draw_latency_cdf(
                {cell: pool_latencies(experiment.run_folders(rows)) for cell, rows in cells.items()}
            )

        yield Plate(
            figure="latency_cdf",
            part=part,
            title=f"Latency distributions: {part}",
            text="Share of captured frames that were answered within a time of their capture, up to the "
            "SLO; frames of all cameras and repeats pooled. A frame that was dropped is never answered, "
            "so that the height at the right edge is the share in time. The marks and numbers are the "
            "99th percentile of answered frames.",
            sources=(experiment.folder / RESULTS_FILE, _frames(experiment)),
            command=experiment.command,
            draw=draw,
        )


def _of_following(experiment: Experiment) -> Iterator[Plate]:
    """One run each: the fewest clients that fill the figure, the middle SLO, the highest rate."""
    for part, results in _parts(experiment, experiment.results):
        numbers = results.levels("clients")
        clients = next((one for one in numbers if float(one) >= MAX_STREAMS), numbers[-1])
        slos = results.where(clients=clients).levels("slo_ms")
        slo = slos[len(slos) // 2]
        rate = results.where(clients=clients, slo_ms=slo).levels("fps")[-1]
        row = results.where(clients=clients, slo_ms=slo, fps=rate).rows[0]
        run = experiment.folder / RUNS_DIR / row["run"]

        def draw(run: Path = run) -> Figure:
            return draw_following(read_run_logs(run))

        yield Plate(
            figure=FOLLOWING.name,
            part=part,
            title=f"{FOLLOWING.title}: {part}",
            text=f"{FOLLOWING.text} The run is {run.name}.",
            sources=(run / FRAMES_FILE,),
            command=experiment.command,
            draw=draw,
        )


def _of_rivals(experiment: Experiment) -> Iterator[Plate]:
    if not experiment.options:
        return

    def draw() -> Figure:
        results = experiment.results
        return draw_rivals(results, experiment.factors, experiment.rivals(results))

    yield Plate(
        figure="rivals",
        title=f"Rivals in {' and '.join(experiment.options)}",
        text=RIVALS_TEXT,
        sources=(experiment.folder / RESULTS_FILE,),
        command=experiment.command,
        draw=draw,
    )


def _frames(experiment: Experiment) -> Path:
    return experiment.folder / RUNS_DIR / "*" / FRAMES_FILE
