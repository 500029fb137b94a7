"""Processor time and gap of plans against the size of the problem, both logarithmic.

    python plots/planning.py SCALE_CSV [--out FILE]

`SCALE_CSV` is written by `benchmarks/planning.py`.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

PERIOD_MS = 500.0
LEAST_GAP = 1e-4  # drawn there if smaller


def main() -> int:
    """Draws the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scale", type=Path, metavar="SCALE_CSV")
    parser.add_argument("--out", type=Path, default=Path("docs/figures/planning.svg"))
    arguments = parser.parse_args()
    with arguments.scale.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    figure, (times, gaps) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name in dict.fromkeys(row["planner"] for row in rows):
        own = [row for row in rows if row["planner"] == name]
        clients = [int(row["num_clients"]) for row in own]
        (line,) = times.loglog(
            clients, [float(row["processor_ms"]) for row in own], "o-", label=name
        )
        full = [row for row in own if float(row["served_ratio"]) == 1.0]
        gaps.loglog(
            [int(row["num_clients"]) for row in full],
            [max(float(row["gap_ratio"]), LEAST_GAP) for row in full],
            "o-",
            color=line.get_color(),
            label=name,
        )
        again = [row for row in own if row["replan_processor_ms"]]
        if again:
            times.loglog(
                [int(row["num_clients"]) for row in again],
                [float(row["replan_processor_ms"]) for row in again],
                "o--",
                color=line.get_color(),
                label=f"{name}, one link changed",
            )
    times.axhline(PERIOD_MS, color="black", linewidth=0.8)
    times.set(xlabel="clients, ten a device", ylabel="processor time of a plan (ms)")
    gaps.set(
        xlabel="clients, ten a device",
        ylabel="accuracy below the relaxation's bound (ratio),\nwhere everybody is served",
    )
    times.legend(fontsize="small")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, metadata={"Date": None})
    return 0


if __name__ == "__main__":
    sys.exit(main())
