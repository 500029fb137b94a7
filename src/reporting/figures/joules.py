"""What an answered frame takes, and how many frames are missed, over the number of clients."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...files.tidy_table import levels
from .style import PAGE_WIDTH, LineStyle, legend_above, line_styles, new_figure, tidy

FRAME_J = "answered_frame_j_mean"


def draw_joules(summary: pl.DataFrame) -> Figure:
    """Draws a column for each SLO: joules an answered frame above, share of missed frames below, a line for each `rival`.

    The cells differ in clients, slo_ms and rival alone.
    """
    slos, clients, rivals = (levels(summary[name]) for name in ("slo_ms", "clients", "rival"))
    figure = new_figure(min(PAGE_WIDTH, 1.8 + 2.2 * len(slos)), 3.9)
    panels = figure.subplots(2, len(slos), sharex=True, sharey="row", squeeze=False)
    styles = line_styles(rivals)
    for k, slo in enumerate(slos):
        above, below = panels[:, k]
        tidy(above, "", "J an answered frame" if k == 0 else "", f"SLO {slo:g} ms")
        tidy(below, "clients", "missed frames (%)" if k == 0 else "")
        below.set_xticks(range(len(clients)), map(str, clients))
        for rival in rivals:
            rows = summary.filter(slo_ms=slo, rival=rival)
            places = pl.Series([clients.index(one) for one in rows["clients"]], dtype=pl.Float64)
            rows = rows.with_columns(place=places)
            _draw_line(above, rows, "answered_frame_j", 1, styles[rival])
            _draw_line(below, rows, "missed_ratio", 100, styles[rival])
    for axes in panels[:, 0]:
        axes.set_ylim(bottom=0)
    legend_above(figure, [styles[rival].key(rival) for rival in rivals], 2)
    return figure


def _draw_line(axes: Axes, rows: pl.DataFrame, name: str, factor: int, style: LineStyle) -> None:
    points = rows.drop_nulls(f"{name}_mean")
    mean, half = points[f"{name}_mean"], points[f"{name}_ci95"].fill_null(0.0)
    down = pl.select(pl.min_horizontal(mean, half)).to_series()  # nothing is below 0
    axes.errorbar(
        points["place"], factor * mean, [factor * down, factor * half], **style.line(),
        elinewidth=0.8, capsize=2,
    )  # fmt: skip
