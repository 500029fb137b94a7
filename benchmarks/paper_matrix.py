"""The matrix of Jellyfish in the simulator: our policy against its rivals and an oracle, in every cell.

`python benchmarks/paper_matrix.py` plays the cells of the experiment `paper` (cameras, SLOs, rates, traces) for each
policy, with cameras, links, frames and server as `moonjelly experiment run paper --simulated` has them, but without logs.
Runs are kept in benchmarks/results/paper_matrix_runs.csv, and those that are there are not made again; the table of
cells is paper_matrix.csv. Then it says how ours does by the bars of docs/adaptation.md. Simulated time: the load of
the machine does not matter.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from matrix_bars import print_bars

from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.experiment_manager.experiment_file import find_experiment, read_experiment
from moonjelly.experiment_manager.live import (
    profile_accuracy,
    recorded_sizes,
    server_config,
)
from moonjelly.experiment_manager.matrix import RunConfig
from moonjelly.links.traces import read_trace
from moonjelly.live_run.as_scenario import simulated_run
from moonjelly.reporting.interval import mean_and_interval
from moonjelly.simulation.oracle import ORACLE
from moonjelly.simulation.scenario import Scenario
from moonjelly.simulation.simulation import Observers, Simulation

RESULTS = Path(__file__).resolve().parent / "results"
RIVALS = ("server-independent", "slo-split")
CELL = ("trace", "fps", "slo_ms", "clients")
COUNTS = ("frames", "missed", "too_late", "profile_map")
RUN_COLUMNS = (*CELL, "policy", "seed", "seconds", *COUNTS)
CELL_COLUMNS = (
    *(*CELL, "policy", "num_runs", "missed_ratio", "missed_ratio_ci95"),
    *("profile_map", "profile_map_ci95"),
)
Row = dict[str, object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the runs that are missing, writes both tables, and prints the bars."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--policies", nargs="+", default=["ladder", "best", ORACLE, *RIVALS])
    parser.add_argument("--traces", nargs="+", metavar="NAME|FILE", help="in place of the paper's")
    parser.add_argument("--clients", nargs="+", type=int)
    parser.add_argument("--slo-ms", nargs="+", type=float)
    parser.add_argument("--fps", nargs="+", type=float)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "paper_matrix.csv")
    options = parser.parse_args(arguments)
    wanted = list(_runs(options))
    path = options.out.with_name(f"{options.out.stem}_runs.csv")
    found = {_key(row): row for row in _read(path)}
    missing = [one for one in wanted if _key(_factors(*one)) not in found]
    with ProcessPoolExecutor(options.workers) as workers:
        for number, row in enumerate(workers.map(run_one, missing), 1):
            found[_key(row)] = {name: str(value) for name, value in row.items()}
            if number % 20 == 0 or number == len(missing):
                _write(path, RUN_COLUMNS, list(found.values()))
                print(f"{number} of {len(missing)} runs", file=sys.stderr)
    rows = [found[_key(_factors(*one))] for one in wanted]
    _write(options.out, CELL_COLUMNS, _cells(rows))
    print_bars(rows, CELL)
    return 0


def _runs(options: argparse.Namespace) -> Iterator[tuple[RunConfig, str]]:
    """The runs of the experiment, each for every policy; those of one scene together."""
    paper = read_experiment(find_experiment(Path("paper")))
    factors = {
        name: tuple(values)
        for name in ("clients", "slo_ms", "fps")
        if (values := getattr(options, name))
    }
    traces = dict(paper.traces)
    for name in options.traces or ():
        if Path(name).suffix:
            traces[name] = read_trace(Path(name))
    matrix = {**paper.matrix, **factors, "seed": tuple(options.seeds)}
    matrix["trace"] = tuple(options.traces or paper.matrix["trace"])
    for name in options.policies:
        shown = "ladder" if name == ORACLE else name
        experiment = dataclasses.replace(
            paper,
            seconds=options.seconds,
            iterations=1,
            matrix={**matrix, "policy": (shown,)},
            traces=traces,
        )
        for run in experiment.runs():
            yield run, name


def run_one(one: tuple[RunConfig, str]) -> Row:
    """Simulates a run, and counts what came of it; a refused camera misses all that it would have captured."""
    run, name = one
    accuracy = profile_accuracy(run)
    in_time, too_late, gained = 0, 0, 0.0

    def take(frame: FrameRecord) -> None:
        nonlocal in_time, too_late, gained
        gained += accuracy.of(frame)
        in_time += frame.verdict == Verdict.IN_TIME
        too_late += frame.verdict == Verdict.DROPPED and frame.reason == "too_late"

    simulation = Simulation(scenario_of(run, name), Observers(on_frame=take))
    simulation.run_until(math.inf)
    frames = sum(one.num_frames for one in simulation.results())
    return {
        **_factors(run, name),
        "frames": frames,
        "missed": frames - in_time,
        "too_late": too_late,
        "profile_map": round(gained / frames, 6),
    }


def scenario_of(run: RunConfig, name: str) -> Scenario:
    """The run as the simulator takes it, for a policy."""
    config, cameras = server_config(run), run.cameras()
    scenario = simulated_run(
        cameras,
        run.seconds,
        run.start_seed,
        config,
        config.devices,
        {one.stream_id: recorded_sizes(run, one, lambda *_: None) for one in cameras},
    )
    streams = tuple(dataclasses.replace(one, policy=name) for one in scenario.streams)
    return dataclasses.replace(scenario, streams=streams)


def _factors(run: RunConfig, name: str) -> Row:
    values = {**run.factors(), "policy": name, "seconds": run.seconds}
    return {column: values[column] for column in RUN_COLUMNS if column in values}


def _key(row: Mapping[str, object]) -> tuple[str, ...]:
    """Tells runs apart, whether their values are numbers or text that was read."""
    return tuple(str(row[name]).removesuffix(".0") for name in (*CELL, "policy", "seed", "seconds"))


def _cells(rows: Sequence[Mapping[str, object]]) -> list[Row]:
    """A row for each cell and policy: means over the seeds, with their 95 % intervals."""
    cells: dict[tuple[object, ...], list[Mapping[str, object]]] = defaultdict(list)
    for row in rows:
        cells[tuple(row[name] for name in (*CELL, "policy"))].append(row)
    table: list[Row] = []
    for key, runs in cells.items():
        missed = [float(str(run["missed"])) / float(str(run["frames"])) for run in runs]
        accuracy = [float(str(run["profile_map"])) for run in runs]
        (missed_mean, missed_ci), (mean, ci) = map(mean_and_interval, (missed, accuracy))
        values = (len(runs), *map(_short, (missed_mean, missed_ci, mean, ci)))
        table.append(dict(zip(CELL_COLUMNS, (*key, *values), strict=True)))
    return table


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
