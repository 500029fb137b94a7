"""Latency distributions over an experiment, as in figure 9 of Jellyfish (RTSS 2022)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...files.tidy_table import levels
from .clients import with_crews
from .style import PAGE_WIDTH, LineStyle, legend_above, line_styles, new_figure, tidy

P99 = 0.99
NUMBERS_WIDTH, NUMBERS_HEIGHT = 0.3, 0.5  # of a panel; lines leave one of two corners free for them
LETTER_WIDTH = 0.0375  # of a panel, where names make numbers wider

LATENCY_COLUMNS = {
    "clients": int, "slo_ms": float, "fps": float, "captured": int, "latency_ms": float, "answered": int,
}  # fmt: skip


class Cell(NamedTuple):
    """A panel and a line in it."""

    fps: float
    slo_ms: float
    crew: str


def draw_latency_cdf(table: pl.DataFrame, starved: Collection[Cell] = ()) -> Figure:
    """Draws a row for each rate, a column for each SLO, and a line for each number of clients or list of cameras.

    The table is that of `latency_table`, its cells differ in clients or cameras, slo_ms and fps alone. `starved` are those in which a
    run was.

    A line is the share of captured frames that were answered within x ms. Frames without an answer
    never count as answered, so that its height at the right edge is the share in time.
    """
    table = with_crews(table)
    rates, slos, crews = (levels(table[name]) for name in Cell._fields)
    figure = new_figure(min(PAGE_WIDTH, 1.2 + 2.2 * len(slos)), 0.5 + 1.8 * len(rates))
    panels = figure.subplots(len(rates), len(slos), sharex="col", sharey=True, squeeze=False)
    styles = line_styles(crews)
    for row, fps in enumerate(rates):
        for column, slo in enumerate(slos):
            axes = panels[row, column]
            tidy(
                axes,
                "capture to answer (ms)" if row == len(rates) - 1 else "",
                f"{fps:g} frame/s\nshare of captured" if column == 0 else "",
                f"SLO {slo:g} ms" if row == 0 else "",
            )
            axes.set_xlim(0, slo)
            axes.set_ylim(0, 1.03)
            panel = table.filter(fps=fps, slo_ms=slo)
            marks = {one.crew: "*" for one in starved if (one.fps, one.slo_ms) == (fps, slo)}
            _draw_panel(axes, panel, styles, slo, marks)
    handles = [styles[crew].key(_crew_words(crew)) for crew in crews]
    legend_above(figure, handles, 6)
    return figure


def _crew_words(crew: str) -> str:
    return f"{crew} client{'s' * (crew != '1')}" if crew.isdecimal() else crew


def _draw_panel(
    axes: Axes,
    panel: pl.DataFrame,
    styles: Mapping[str, LineStyle],
    slo_ms: float,
    marks: Mapping[str, str],
) -> None:
    lines = []
    is_left_free = True
    longest = max(map(len, styles)) + len(": 100")
    width = max(NUMBERS_WIDTH, LETTER_WIDTH * longest)
    for crew, style in styles.items():
        rows = panel.filter((pl.col("crew") == crew) & (pl.col("answered") > 0))
        if rows.is_empty():
            continue
        num_answered, captured = rows["answered"][-1], rows["captured"][0]
        share = rows["answered"] / captured
        axes.step(
            [0, *rows["latency_ms"]], [0, *share], where="post",
            color=style.colour, lw=1.3, ls=style.dashes,
        )  # fmt: skip
        p99_ms = rows["latency_ms"][int(rows["answered"].search_sorted(P99 * num_answered, "left"))]
        if p99_ms <= slo_ms:
            height = P99 * num_answered / captured
            axes.plot([p99_ms], [height], style.marker, color=style.colour, ms=4.5, clip_on=False)
        lines.append(f"{crew}{marks.get(crew, '')}: {p99_ms:.0f}")
        early = rows.filter(pl.col("latency_ms") < width * slo_ms)["answered"].max() or 0
        is_left_free &= early / captured < 1 - NUMBERS_HEIGHT
    if lines:
        x, y = (0.04, 0.96) if is_left_free else (0.97, 0.05)
        axes.text(
            x, y, "\n".join(["p99 (ms)", *lines]), transform=axes.transAxes, fontsize=7,
            ha="left" if is_left_free else "right", va="top" if is_left_free else "bottom",
        )  # fmt: skip
