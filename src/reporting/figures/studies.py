"""The published studies of planners: accuracy against the optimum, and run time, by size."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..tidy_table import TidyRow, TidyTable
from .style import LINES, PAGE_WIDTH, line_styles, new_figure, tidy

COMPARE_COLUMNS = (
    "num_devices",
    "clients_per_device",
    "planner",
    "num_served",
    "accuracy",
    "exact_served",
    "exact_accuracy",
    "is_proved",
    "outcome",
)
TIMINGS_COLUMNS = ("num_devices", "clients_per_device", "planner", "processor_ms")
PERIOD_MS = 500.0
BOX_WIDTH = 0.6


def draw_compare(table: TidyTable) -> Figure:
    """Draws accuracy relative to the proved optimum, a box for each size, a panel for each planner."""
    planners = table.levels("planner")
    sizes = _sizes(table)
    figure = new_figure(PAGE_WIDTH, 2.7)
    panels = figure.subplots(1, len(planners), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, planners, strict=True):
        rows = [_proved(table, name, size) for size in sizes]
        shortfalls = [[_shortfall_percent(row) for row in own if _serves(row)] for own in rows]
        panel.boxplot(
            shortfalls,
            widths=BOX_WIDTH,
            whis=(0, 100),
            medianprops={"color": LINES[1].colour},
        )
        labels = [
            f"{devices}x{clients}\n{_percent(own, short)}"
            for (devices, clients), own, short in zip(sizes, rows, shortfalls, strict=True)
        ]
        panel.set_xticks(np.arange(1, len(sizes) + 1), labels, fontsize=7)
        tidy(panel, "devices x clients each; optimum found", title=name)
    panels[0].set_ylabel("accuracy below the optimum (%)", fontsize=9)
    return figure


def draw_timings(table: TidyTable) -> Figure:
    """Draws processor time against clients, both logarithmic: median, and least to most as bars."""
    figure = new_figure(PAGE_WIDTH / 1.6, 3.2)
    axes = figure.subplots()
    for name, style in line_styles(table.levels("planner")).items():
        points: dict[int, list[float]] = {}
        for row in table.where(planner=name).rows:
            clients = int(row.required("num_devices") * row.required("clients_per_device"))
            points.setdefault(clients, []).append(row.required("processor_ms"))
        counts = sorted(points)
        middle = np.array([statistics.median(points[count]) for count in counts])
        least = middle - [min(points[count]) for count in counts]
        most = [max(points[count]) for count in counts] - middle
        axes.errorbar(
            counts, middle, [least, most], elinewidth=0.8, capsize=2, label=name, **style.line()
        )
    axes.axhline(PERIOD_MS, color=LINES[6].colour, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    tidy(axes, "clients", "processor time of a plan (ms)")
    axes.legend(fontsize=8, frameon=False)
    return figure


def _sizes(table: TidyTable) -> list[tuple[str, str]]:
    found = {(row["num_devices"], row["clients_per_device"]) for row in table.rows}
    return sorted(found, key=lambda size: (int(size[0]), int(size[1])))


def _proved(table: TidyTable, planner: str, size: tuple[str, str]) -> list[TidyRow]:
    own = table.where(planner=planner, num_devices=size[0], clients_per_device=size[1])
    return [row for row in own.rows if row["is_proved"] == "1"]


def _serves(row: TidyRow) -> bool:
    return row["num_served"] == row["exact_served"]


def _shortfall_percent(row: TidyRow) -> float:
    return 100 * (1 - row.required("accuracy") / row.required("exact_accuracy"))


def _percent(rows: Sequence[TidyRow], shortfalls: Sequence[float]) -> str:
    if not rows:
        return "none"
    equal = sum(row["outcome"] == "equal" for row in rows)
    return f"{100 * equal / len(rows):.0f} %" if shortfalls else "0 %"
