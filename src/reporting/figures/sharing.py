"""Shares of a device's time and energy against phi, measured beside what the closed form entitles to."""

from __future__ import annotations

import polars as pl
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...files.tidy_table import levels
from .style import BLACK, PAGE_WIDTH, legend_above, line_styles, new_figure, tidy

COLUMNS = {
    "phi": float, "client": str, "time_share": float, "energy_share": float,
    "entitled_time_share": float, "entitled_energy_share": float,
}  # fmt: skip


def draw_sharing(table: pl.DataFrame) -> Figure:
    """Draws a panel for time and one for energy, a colour for each client: points measured, lines entitled."""
    styles = line_styles(levels(table["client"]))
    figure = new_figure(PAGE_WIDTH, 2.9)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, what in zip(panels, ("time", "energy"), strict=True):
        tidy(axes, "phi (1: equal time, 0: equal energy)", title=what)
        for name, style in styles.items():
            rows = table.filter(client=name).sort("phi")
            axes.plot(rows["phi"], 100 * rows[f"entitled_{what}_share"], color=style.colour, lw=1.0)
            axes.plot(
                rows["phi"], 100 * rows[f"{what}_share"], style.marker, color=style.colour, ms=4.5
            )
    panels[0].set_ylabel("share (%)", fontsize=9)
    panels[0].set_ylim(bottom=0)
    handles: list[Artist] = [
        Line2D([], [], color=style.colour, marker=style.marker, ms=4.5, lw=0, label=name)
        for name, style in styles.items()
    ]
    handles.append(Line2D([], [], color=BLACK, lw=1.0, label="entitled"))
    legend_above(figure, handles, 4)
    return figure
