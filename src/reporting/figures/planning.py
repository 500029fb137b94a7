"""Processor time and gap of plans against the size of the problem, both logarithmic."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ..tidy_table import TidyRow, TidyTable
from .style import BLACK, PAGE_WIDTH, legend_above, line_styles, new_figure, tidy

COLUMNS = (
    "planner",
    "num_clients",
    "processor_ms",
    "replan_processor_ms",
    "served_ratio",
    "gap_ratio",
)
PERIOD_MS = 500.0
LEAST_GAP_RATIO = 1e-4  # drawn there if smaller


def draw_planning(table: TidyTable) -> Figure:
    """Draws the time of plans on the left and, where all are served, their gap to a bound on the right."""
    figure = new_figure(PAGE_WIDTH, 3.4)
    times, gaps = figure.subplots(1, 2)
    planners = table.levels("planner")
    again = {
        f"{name}, one link changed": rows
        for name in planners
        if (rows := [row for row in table.where(planner=name).rows if row["replan_processor_ms"]])
    }
    styles = line_styles([*planners, *again])
    for name in planners:
        own = table.where(planner=name).rows
        full = [row for row in own if row.required("served_ratio") == 1.0]
        times.loglog(*_points(own, "processor_ms"), **styles[name].line())
        gaps.loglog(*_points(full, "gap_ratio", LEAST_GAP_RATIO), **styles[name].line())
    for label, rows in again.items():
        times.loglog(*_points(rows, "replan_processor_ms"), **styles[label].line())
    times.axhline(PERIOD_MS, color=BLACK, linewidth=0.8)
    tidy(times, "clients, ten a device", "processor time of a plan (ms)")
    tidy(gaps, "clients, ten a device", "accuracy below the relaxation (ratio)")
    legend_above(figure, [style.key(label) for label, style in styles.items()], 4)
    return figure


def _points(
    rows: Sequence[TidyRow], column: str, least: float = 0.0
) -> tuple[list[int], list[float]]:
    """Clients, and the values of a column."""
    return (
        [int(row.required("num_clients")) for row in rows],
        [max(row.required(column), least) for row in rows],
    )
