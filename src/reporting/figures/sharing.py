"""Shares of a device's time and energy against phi, measured beside what the closed form entitles to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...files.tidy_table import levels
from .style import BLACK, PAGE_WIDTH, LineStyle, legend_above, line_styles, new_figure, tidy

LIVE = "live"
COLUMNS = {
    "phi": float, "client": str, "time_share": float, "energy_share": float,
    "entitled_time_share": float, "entitled_energy_share": float,
}  # fmt: skip


ARRIVAL_COLUMNS = {
    "end_s": float, "client": str, "window_time_share": float, "entitled_time_share": float,
}  # fmt: skip


def draw_sharing(table: pl.DataFrame) -> Figure:
    """Draws a panel for time and one for energy, a colour for each client: points measured, lines entitled.

    A table of several experiments (column `experiment`) has two panels for each. Where column `how` says live,
    points are hollow.
    """
    if "experiment" not in table.columns:
        table = table.with_columns(experiment=pl.lit(""))
    if "how" not in table.columns:
        table = table.with_columns(how=pl.lit(""))
    styles = line_styles(levels(table["client"]))
    experiments = levels(table["experiment"])
    figure = new_figure(PAGE_WIDTH, 0.7 + 2.2 * len(experiments))
    grid = figure.subplots(len(experiments), 2, sharex=True, sharey=True, squeeze=False)
    for row, experiment in zip(grid, experiments, strict=True):
        for axes, what in zip(row, ("time", "energy"), strict=True):
            title = ", ".join(word for word in (experiment, what) if word)
            is_last = experiment == experiments[-1]
            tidy(axes, "phi (1: equal time, 0: equal energy)" if is_last else "", title=title)
            for name, style in styles.items():
                own = table.filter(experiment=experiment, client=name).sort("phi")
                _draw_shares(axes, own, what, style)
        row[0].set_ylabel("share (%)", fontsize=9)
    grid[0][0].set_ylim(bottom=0)  # after all are drawn, as they share it
    handles = _keys(styles)
    if LIVE in levels(table["how"]):
        handles.append(LineStyle(BLACK, "o", "").key(LIVE, is_point=True))
    handles.append(Line2D([], [], color=BLACK, lw=1.0, label="entitled"))
    legend_above(figure, handles, 3)
    return figure


def _draw_shares(axes: Axes, rows: pl.DataFrame, what: str, style: LineStyle) -> None:
    axes.plot(rows["phi"], 100 * rows[f"entitled_{what}_share"], color=style.colour, lw=1.0)
    for is_live in (False, True):
        own = rows.filter((pl.col("how") == LIVE) == is_live)
        look = style.point() if is_live else _solid(style)
        axes.errorbar(own["phi"], 100 * own[f"{what}_share"], **look)


def draw_arrival(table: pl.DataFrame) -> Figure:
    """Draws shares of the device's time in windows as one comes and goes, beside what the closed form entitles to."""
    styles = line_styles(levels(table["client"]))
    figure = new_figure(PAGE_WIDTH, 2.6)
    axes = figure.subplots()
    tidy(axes, "time (s)", "share of time (%)")
    for name, style in styles.items():
        own = table.filter(client=name).sort("end_s")
        axes.step(
            own["end_s"], 100 * own["entitled_time_share"], color=style.colour, lw=1.0, where="pre"
        )
        axes.plot(own["end_s"], 100 * own["window_time_share"], **_solid(style))
    handles = _keys(styles)
    handles.append(Line2D([], [], color=BLACK, lw=1.0, label="entitled"))
    legend_above(figure, handles, 3)
    return figure


def _solid(style: LineStyle) -> dict[str, Any]:
    return {"color": style.colour, "marker": style.marker, "markersize": 4.5, "linestyle": ""}


def _keys(styles: Mapping[str, LineStyle]) -> list[Artist]:
    return [Line2D([], [], **_solid(style), label=name) for name, style in styles.items()]
