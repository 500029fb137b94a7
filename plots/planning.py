"""Processor time and gap of plans against the size of the problem, both logarithmic.

    python plots/planning.py SCALE_CSV [--out FILE]

`SCALE_CSV` is written by `benchmarks/planning.py`.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from moonjelly.reporting.figures.style import (
    BLACK,
    PAGE_WIDTH,
    legend_above,
    line_styles,
    new_figure,
    tidy,
)

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
    figure = new_figure(PAGE_WIDTH, 3.4)
    times, gaps = figure.subplots(1, 2)
    planners = list(dict.fromkeys(row["planner"] for row in rows))
    replanned = {f"{name}, one link changed": name for name in planners if _replans(rows, name)}
    styles = line_styles([*planners, *replanned])
    for name in planners:
        own = [row for row in rows if row["planner"] == name]
        full = [row for row in own if float(row["served_ratio"]) == 1.0]
        times.loglog(*_points(own, "processor_ms"), **styles[name].line())
        gaps.loglog(*_points(full, "gap_ratio", LEAST_GAP), **styles[name].line())
    for label, name in replanned.items():
        times.loglog(*_points(_replans(rows, name), "replan_processor_ms"), **styles[label].line())
    times.axhline(PERIOD_MS, color=BLACK, linewidth=0.8)
    tidy(times, "clients, ten a device", "processor time of a plan (ms)")
    tidy(gaps, "clients, ten a device", "accuracy below the relaxation (ratio)")
    legend_above(figure, [style.key(label) for label, style in styles.items()], 4)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, metadata={"Date": None} if arguments.out.suffix == ".svg" else {})
    return 0


def _replans(rows: list[dict[str, str]], name: str) -> list[dict[str, str]]:
    return [row for row in rows if row["planner"] == name and row["replan_processor_ms"]]


def _points(
    rows: list[dict[str, str]], column: str, least: float = 0.0
) -> tuple[list[int], list[float]]:
    """Clients, and the values of a column."""
    return (
        [int(row["num_clients"]) for row in rows],
        [max(float(row[column]), least) for row in rows],
    )


if __name__ == "__main__":
    sys.exit(main())
