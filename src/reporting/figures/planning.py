"""Processor time and gap of plans against the size of the problem, both logarithmic."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from ...files.tidy_table import levels
from .style import BLACK, PAGE_WIDTH, legend_above, line_styles, new_figure, tidy

COLUMNS = {
    "planner": str, "num_clients": int, "processor_ms": float, "replan_processor_ms": float | None,
    "served_ratio": float, "gap_ratio": float,
}  # fmt: skip
PERIOD_MS = 500.0
LEAST_GAP_RATIO = 1e-4  # drawn there if smaller


def draw_planning(table: pl.DataFrame) -> Figure:
    """Draws the time of plans on the left and, where all are served, their gap to a bound on the right."""
    figure = new_figure(PAGE_WIDTH, 3.4)
    times, gaps = figure.subplots(1, 2)
    planners = levels(table["planner"])
    again = {
        f"{name}, one link changed": rows
        for name in planners
        if len(rows := table.filter(planner=name).drop_nulls("replan_processor_ms"))
    }
    styles = line_styles([*planners, *again])
    for name in planners:
        own, full = table.filter(planner=name), table.filter(planner=name, served_ratio=1.0)
        gap_ratios = full["gap_ratio"].clip(LEAST_GAP_RATIO)
        times.loglog(own["num_clients"], own["processor_ms"], **styles[name].line())
        gaps.loglog(full["num_clients"], gap_ratios, **styles[name].line())
    for label, rows in again.items():
        times.loglog(rows["num_clients"], rows["replan_processor_ms"], **styles[label].line())
    times.axhline(PERIOD_MS, color=BLACK, linewidth=0.8)
    tidy(times, "clients, ten a device", "processor time of a plan (ms)")
    tidy(gaps, "clients, ten a device", "accuracy below the relaxation (ratio)")
    legend_above(figure, [style.key(label) for label, style in styles.items()], 4)
    return figure
