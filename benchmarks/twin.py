"""Is the simulator right? The same runs live and simulated, side by side.

Each run is described once, as an experiment's run. Live it has real server processes, the replayed device, a shaped
link for each emulated camera; simulated, the same cameras, links, frame sizes, server options, and timers as late as
they were live. Differences are medians over a cell's runs of simulated less live, run by run. A run whose machine was
too busy to play it (see `load.json`) is not compared.

    python benchmarks/twin.py                       # three scenarios: steady, link trace, overload
    python benchmarks/twin.py --experiment small    # every cell of an experiment
    python benchmarks/twin.py --experiment small --live runs/small    # runs that were made before

Exit status 1 if a bar is missed: of the scenarios each in in-time share, accuracy and median latency; of an
experiment, in-time share in 90 % of the cells.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import math
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from twin_cells import (
    Bars,
    CellComparison,
    compare,
    simulate_twins,
    tidy_rows,
)

from moonjelly.experiment_manager.experiment_file import find_experiment, read_experiment
from moonjelly.experiment_manager.machine import describe_machine

FOLDER = Path(__file__).resolve().parent
SCENARIOS = ("steady", "link_trace", "overload")
LEAST_CELLS_RATIO = 0.9
BARS = Bars()


def run_experiment(path: Path, live_dir: Path) -> None:
    """Makes the runs that are missing."""
    command = [
        sys.executable,
        "-m",
        "moonjelly",
        "experiment",
        "run",
        str(path),
        "--out",
        str(live_dir),
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def compare_experiment(path: Path, live_dir: Path, simulated_dir: Path) -> list[CellComparison]:
    """Simulates what has been run live, and compares cell by cell."""
    return compare(simulate_twins(read_experiment(path).runs(), live_dir, simulated_dir))


def show(name: str, comparisons: Sequence[CellComparison]) -> None:
    """Prints a row for each cell."""
    for one in comparisons:
        rows = {str(row["side"]): row for row in tidy_rows([one])}
        live, simulated = rows["live"], rows["simulated"]
        cell = " ".join(f"{key}={value}" for key, value in one.cell.items() if value is not None)
        starved = f", {one.num_starved} starved" if one.num_starved else ""
        print(f"{name}: {cell} ({len(one.pairs)} runs{starved})")
        for label, key, difference, scale, unit in (
            ("in time", "in_time_ratio", one.in_time_ratio, 100, "points"),
            ("accuracy", "accuracy", one.accuracy_ratio, 100, "%"),
            ("p50 (ms)", "p50_ms", one.p50_ratio, 100, "%"),
            ("refused", "refused_ratio", None, 100, ""),
        ):
            told = "" if difference is None else f"  {scale * difference:+6.2f} {unit}"
            print(f"  {label:9s} live {_text(live[key])}  simulated {_text(simulated[key])}{told}")
        print(f"  missed: {', '.join(one.missed(BARS)) or 'nothing'}", flush=True)


def _text(value: object) -> str:
    return f"{value:9.4f}" if isinstance(value, float) else f"{'-':>9s}"


def write(stem: Path, results: Sequence[tuple[str, list[CellComparison]]]) -> None:
    """Writes STEM.csv, a row for each cell and side, and STEM.json, an entry for each cell."""
    command = shlex.join(["python", "benchmarks/twin.py", *sys.argv[1:]])
    rows = [{"scenario": name, **row} for name, cells in results for row in tidy_rows(cells)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    stem.parent.mkdir(parents=True, exist_ok=True)
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        file.write(f"# command: {command}\n")
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(row.get(key)) for key in columns})
    cells = [
        {
            "scenario": name,
            **one.cell,
            "num_runs": len(one.pairs),
            "num_starved": one.num_starved,
            "in_time_difference": _finite(one.in_time_ratio),
            "accuracy_difference_ratio": _finite(one.accuracy_ratio),
            "p50_difference_ratio": _finite(one.p50_ratio),
            "missed": one.missed(BARS),
        }
        for name, comparisons in results
        for one in comparisons
    ]
    report = {
        "command": command,
        "machine": describe_machine(),
        "bars": dataclasses.asdict(BARS),
        "cells": cells,
    }
    stem.with_suffix(".json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _finite(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


def main() -> int:
    """Prints the comparison, and writes it under benchmarks/results/."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--experiment", type=Path, metavar="FILE", help="file, or one that is shipped"
    )
    parser.add_argument("--live", type=Path, metavar="DIR", help="its folder (made, if not given)")
    parser.add_argument("--out", type=Path, default=Path("runs/twin"), metavar="DIR")
    arguments = parser.parse_args()
    if arguments.experiment is None:
        if arguments.live is not None:
            parser.error("--live: needs --experiment")
        paths = [FOLDER / "twin" / f"{name}.yaml" for name in SCENARIOS]
    else:
        paths = [find_experiment(arguments.experiment)]
    results: list[tuple[str, list[CellComparison]]] = []
    for path in paths:
        live_dir = arguments.live or arguments.out / path.stem / "live"
        if arguments.live is None:
            run_experiment(path, live_dir)
        cells = compare_experiment(path, live_dir, arguments.out / path.stem / "simulated")
        results.append((path.stem, cells))
        show(path.stem, cells)
    name = "twin" if arguments.experiment is None else f"twin_{paths[0].stem}"
    write(FOLDER / "results" / name, results)
    every = [one for _, cells in results for one in cells]
    near = sum("in-time share" not in one.missed(BARS) for one in every)
    print(
        f"in-time share within {100 * BARS.in_time_ratio:g} points in {near} of {len(every)} cells"
    )
    if arguments.experiment is None:
        return int(any(one.missed(BARS) for one in every))
    return int(near < LEAST_CELLS_RATIO * len(every))


if __name__ == "__main__":
    sys.exit(main())
