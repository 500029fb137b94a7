"""Compares live runs of an experiment with the same runs in the simulator."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moonjelly.core.errors import UsageError
from moonjelly.core.records import ServerFrameRecord
from moonjelly.experiment_manager.folder import ExperimentFolder
from moonjelly.experiment_manager.matrix import RunConfig, Value
from moonjelly.experiment_manager.outcome import read_outcome
from moonjelly.experiment_manager.simulated import run_simulated
from moonjelly.files.csv_log import read_records
from moonjelly.live_run.as_scenario import Chance
from moonjelly.reporting.load import STARVED_LATE_MS, read_load
from moonjelly.reporting.run_folder import SERVER_DIR, SERVER_FRAMES_FILES
from moonjelly.reporting.run_logs import read_run_logs
from moonjelly.reporting.summary import read_summary


@dataclass(frozen=True, slots=True)
class Bars:
    """How far the simulator may be from live.

    Attributes:
        in_time_ratio: difference of the shares of frames in time.
        accuracy_ratio: difference of the mean accuracies over the live one.
        p50_ratio: difference of the median latencies over the live one.
    """

    in_time_ratio: float = 0.02
    accuracy_ratio: float = 0.01
    p50_ratio: float = 0.10


@dataclass(frozen=True, slots=True)
class Measured:
    """What of a run is compared.

    Attributes:
        in_time_ratio: frames in time over frames offered; those of a refused camera are offered in vain.
        refused_ratio: cameras that were not admitted, over all.
        accuracy: mean over the frames in time of what the zoo says of the variant that answered; None
            if there are none.
        p50_ms: median latency; None if no frame was answered.
    """

    in_time_ratio: float
    refused_ratio: float
    accuracy: float | None
    p50_ms: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One run, on both sides.

    Attributes:
        is_starved: whether the machine was too busy for the live side to count.
    """

    cell: Mapping[str, Value | None]
    live: Measured
    simulated: Measured
    is_starved: bool = False


@dataclass(frozen=True, slots=True)
class CellComparison:
    """How far the simulator is from live in one cell: medians over its runs, simulated less live.

    Attributes:
        pairs: the runs that count.
        num_starved: runs that do not count.
        in_time_ratio: in shares; `nan` if no run counts, likewise the others.
        accuracy_ratio: over the live one; infinite if frames were in time on one side only.
    """

    cell: Mapping[str, Value | None]
    pairs: Sequence[Pair]
    num_starved: int
    in_time_ratio: float
    accuracy_ratio: float
    p50_ratio: float

    def missed(self, bars: Bars) -> list[str]:
        """The bars that are missed; all if no run counts."""
        differences = (
            ("in-time share", self.in_time_ratio, bars.in_time_ratio),
            ("accuracy", self.accuracy_ratio, bars.accuracy_ratio),
            ("p50 latency", self.p50_ratio, bars.p50_ratio),
        )
        return [name for name, difference, most in differences if not abs(difference) <= most]


def simulate_twins(runs: Iterable[RunConfig], live_dir: Path, out_dir: Path) -> list[Pair]:
    """Simulates every run that has finished live, and pairs both.

    Raises:
        UsageError: if a run's folder is broken, or none has finished.
        OSError: if a file cannot be written.
    """
    live = ExperimentFolder(live_dir)
    pairs: list[Pair] = []
    for run in runs:
        live_run = live.finished(run)
        if live_run is None:
            continue
        folder = out_dir / run.run_id
        folder.mkdir(parents=True, exist_ok=True)
        chance = chance_of(live_run)
        run_simulated(run, folder, lambda *_: None, {}, chance)
        pairs.append(
            Pair(
                run.cell(),
                measured(run, live_run),
                measured(run, folder),
                chance.load.is_starved or answering_p99_ms(live_run) > STARVED_LATE_MS,
            )
        )
    if not pairs:
        raise UsageError(f"{live_dir}: holds no finished run of the experiment")
    return pairs


def chance_of(folder: Path) -> Chance:
    """What befell a live run, by its logs; UsageError if one is missing or broken."""
    logs = read_run_logs(folder)
    return Chance(
        read_load(folder),
        {
            stream_id: (rows[0].captured_ms - logs.links[stream_id][0].at_ms) / 1000
            for stream_id, rows in logs.frames.items()
            if rows and logs.links[stream_id]
        },
    )


def answering_p99_ms(live_run: Path) -> float:
    """99th percentile of what a live server took to answer frames that had run.

    It does next to nothing in that time, so more than a millisecond or two tells of a busy machine.

    Raises:
        UsageError: if a log is broken.
    """
    waits_ms = [
        row.server_ms - (row.endpoint_ms or 0.0) - (row.queue_ms or 0.0) - row.inference_ms
        for path in sorted((live_run / SERVER_DIR).glob(SERVER_FRAMES_FILES))
        for row in read_records(path, ServerFrameRecord)
        if row.server_ms is not None and row.inference_ms is not None
    ]
    return float(np.quantile(waits_ms, 0.99)) if waits_ms else 0.0


def measured(run: RunConfig, folder: Path) -> Measured:
    """Reads what came of a run; UsageError if its folder is broken."""
    cameras = read_outcome(folder).cameras
    num_in_time = sum(camera.in_time for camera in cameras)
    gained = sum(camera.captured * (camera.profile_map or 0.0) for camera in cameras)
    num_offered = sum(max(1, round(run.seconds * one.fps)) for one in run.listed)
    return Measured(
        in_time_ratio=num_in_time / num_offered,
        refused_ratio=sum(camera.refused for camera in cameras) / run.clients,
        accuracy=gained / num_in_time if num_in_time else None,
        p50_ms=read_summary(folder).total.p50_ms,
    )


def compare(pairs: Sequence[Pair]) -> list[CellComparison]:
    """Compares cell by cell, in the order in which they come first."""
    cells: dict[tuple[object, ...], list[Pair]] = {}
    for pair in pairs:
        cells.setdefault(tuple(pair.cell.values()), []).append(pair)
    return [_compare_cell(of_cell) for of_cell in cells.values()]


def _compare_cell(pairs: Sequence[Pair]) -> CellComparison:
    kept = [pair for pair in pairs if not pair.is_starved]
    return CellComparison(
        cell=pairs[0].cell,
        pairs=kept,
        num_starved=len(pairs) - len(kept),
        in_time_ratio=_median(one.simulated.in_time_ratio - one.live.in_time_ratio for one in kept),
        accuracy_ratio=_median(
            _relative(one.simulated.accuracy, one.live.accuracy) for one in kept
        ),
        p50_ratio=_median(_relative(one.simulated.p50_ms, one.live.p50_ms) for one in kept),
    )


def _median(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.median(known) if known else math.nan


def _relative(simulated: float | None, live: float | None) -> float:
    """How far the simulated value is off, over the live one."""
    if not simulated or not live:
        return 0.0 if simulated == live else math.inf
    return simulated / live - 1


def tidy_rows(comparisons: Iterable[CellComparison]) -> list[dict[str, object]]:
    """A row for each cell and side: the cell, and medians over its runs."""
    rows: list[dict[str, object]] = []
    for one in comparisons:
        for side in ("live", "simulated"):
            runs: list[Measured] = [getattr(pair, side) for pair in one.pairs]
            rows.append(
                {
                    **one.cell,
                    "side": side,
                    "num_runs": len(runs),
                    "num_starved": one.num_starved,
                    **{name: _middle([getattr(run, name) for run in runs]) for name in _MEASURES},
                }
            )
    return rows


_MEASURES = tuple(item.name for item in dataclasses.fields(Measured))


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
