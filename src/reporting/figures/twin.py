"""Is the simulator right? Each cell of an experiment as it was live, against the same cell simulated."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...files.tidy_table import levels
from .style import BLACK, GREY, PAGE_WIDTH, legend_above, line_styles, new_figure, tidy

COLUMNS = {
    "scenario": str, "side": str, "in_time_ratio": float | None, "accuracy": float | None,
    "p50_ms": float | None,
}  # fmt: skip
LIVE, SIMULATED = "live", "simulated"
POINTS = 2.0  # percentage points of frames in time by which both may differ


def draw_twin(table: pl.DataFrame) -> Figure:
    """Draws frames in time, accuracy and median latency; where both agree, a point lies on the line.

    The table has a row for each cell and side; what stands before `side` tells cells apart.
    """
    factors = table.columns[: table.columns.index("side")]
    live, simulated = (table.filter(side=side) for side in (LIVE, SIMULATED))
    cells = live.join(
        simulated, on=factors, suffix="_simulated", nulls_equal=True, maintain_order="left"
    )
    kind = "trace" if table["scenario"].n_unique() == 1 and "trace" in factors else "scenario"
    kinds = levels(table[kind])
    styles = line_styles(kinds)
    figure = new_figure(PAGE_WIDTH, 3.0)
    panels = figure.subplots(1, 3)
    for axes, column, scale, title in zip(
        panels,
        ("in_time_ratio", "accuracy", "p50_ms"),
        (100.0, 1.0, 1.0),
        ("in time (%)", "accuracy (zoo's table)", "median latency (ms)"),
        strict=True,
    ):
        tidy(axes, "live", "simulated" if column == "in_time_ratio" else "", title)
        found: list[float] = []
        for name in kinds:
            both = (column, f"{column}_simulated")
            points = scale * cells.filter(pl.col(kind) == name).select(both).drop_nulls()
            axes.errorbar(*points, **styles[name].point())
            found += [value for axis in points for value in axis]
        _draw_line(axes, found, POINTS if column == "in_time_ratio" else 0.0)
    legend_above(figure, [styles[name].key(name, is_point=True) for name in kinds], 4)
    return figure


def _draw_line(axes: Axes, values: Sequence[float], band: float) -> None:
    """Draws where both are equal, and the band in which they nearly are."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    margin = max(margin, band - (high - low) / 2)  # so that the band shows
    low, high = low - margin, high + margin
    axes.plot([low, high], [low, high], color=BLACK, lw=0.8, ls=":")
    if band:
        axes.fill_between(
            [low, high],
            [low - band, high - band],
            [low + band, high + band],
            color=GREY,
            alpha=0.15,
            lw=0,
        )
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.ticklabel_format(useOffset=False)
    axes.set_aspect("equal")
