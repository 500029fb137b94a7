"""Accuracy and missed frames over the number of clients, as in figure 8 of Jellyfish (RTSS 2022)."""

from __future__ import annotations

import polars as pl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ...files.tidy_table import levels
from .style import (
    BLACK,
    GREY,
    HATCHES,
    PAGE_WIDTH,
    LineStyle,
    legend_above,
    line_styles,
    new_figure,
    possible,
    tidy,
)

ACCURACIES = {
    "golden_f1_detected": "F1 of detected frames",
    "map": "mAP@[.5:.95]",
    "profile_map": "accuracy (zoo's table)",
}
"""What accuracy is taken from, the first that was measured, and how it is called."""
LEAST_TOP_PERCENT = 1.0  # of the axis of misses
HIGHEST_TOP = 1.02  # of an axis of shares
BARS_WIDTH = 0.8
OWN = 0.0  # stands for an SLO or a rate in which the cameras of a run differ
DODGE = 0.07  # between points of different rates, so that their intervals stand side by side


def with_crews(table: pl.DataFrame) -> pl.DataFrame:
    """A table with a column `crew`: the list that a run's cameras are of, or how many there are; fewest first."""
    name = "cameras" if "cameras" in table.columns else "clients"
    return table.sort("clients", maintain_order=True).with_columns(
        crew=pl.col(name).cast(pl.String)
    )


def draw_clients(summary: pl.DataFrame) -> Figure:
    """Draws a column for each SLO: accuracy above, share of missed frames below, a style for each rate.

    The cells differ in clients or cameras, slo_ms and fps alone. Cameras of a run that differ have a column and a style together.
    """
    summary = with_crews(summary).with_columns(pl.col("slo_ms", "fps").fill_null(OWN))
    slos, rates, crews = (levels(summary[name]) for name in ("slo_ms", "fps", "crew"))
    measured = measured_accuracy(summary, "{}_mean")
    least = _of_smallest(summary, measured)
    width = min(PAGE_WIDTH, 1.2 + 2.2 * len(slos))
    figure = new_figure(width, 3.9)
    panels = figure.subplots(2, max(1, len(slos)), sharex=True, sharey="row", squeeze=False)
    styles = line_styles(rates)
    for k, slo in enumerate(slos):
        above, below = panels[0, k], panels[1, k]
        tidy(above, "", ACCURACIES[measured] if k == 0 else "", _slo_words(slo))
        tidy(below, "clients", "missed frames (%)" if k == 0 else "")
        if least is not None:
            above.axhline(least, color=GREY, lw=1.0, ls="--")
        below.set_xticks(range(len(crews)), crews)
        for number, fps in enumerate(rates):
            rows = summary.filter(slo_ms=slo, fps=fps)
            places = [crews.index(crew) for crew in rows["crew"]]
            off = number - (len(rates) - 1) / 2
            dodged = [place + off * DODGE for place in places]
            _draw_accuracy(above, dodged, rows, measured, styles[fps])
            bar_width = BARS_WIDTH / len(rates)
            _draw_missed(
                below, [place + off * bar_width for place in places], rows, bar_width, styles[fps],
                HATCHES[number % len(HATCHES)],
            )  # fmt: skip
    panels[0, 0].set_ylim(0, min(HIGHEST_TOP, 1.08 * panels[0, 0].get_ylim()[1]))
    top = max(LEAST_TOP_PERCENT, panels[1, 0].get_ylim()[1])
    panels[1, 0].set_ylim(0, min(100 * HIGHEST_TOP, top))
    handles: list[Artist] = [styles[fps].key(_rate_words(fps)) for fps in rates]
    handles += [
        Patch(
            facecolor=styles[fps].colour,
            edgecolor="white",
            hatch=HATCHES[number % len(HATCHES)],
            label=f"missed, {_rate_words(fps)}" if fps == OWN else f"missed at {_rate_words(fps)}",
        )
        for number, fps in enumerate(rates)
    ]
    if least is not None:
        handles.append(Line2D([], [], color=GREY, lw=1.0, ls="--", label="smallest variant"))
    legend_above(figure, handles, 4 if len(slos) > 2 else 2)  # noqa: PLR2004 what fits the width
    return figure


def _slo_words(slo_ms: float) -> str:
    return "each camera its SLO" if slo_ms == OWN else f"SLO {slo_ms:g} ms"


def _rate_words(fps: float) -> str:
    return "all cameras" if fps == OWN else f"{fps:g} frame/s"


def measured_accuracy(table: pl.DataFrame, column: str) -> str:
    """The first of `ACCURACIES` that a table has values of, in columns like "{}_mean"; the last if of none."""
    for name in ACCURACIES:
        if column.format(name) in table.columns and table[column.format(name)].count():
            return name
    return name


def _of_smallest(summary: pl.DataFrame, measured: str) -> float | None:
    """What the smallest variant alone would reach, in the mean of the cells; None where nobody has looked."""
    name = f"smallest_{measured}_mean"
    if name not in summary.columns:
        return None
    mean = summary[name].cast(pl.Float64, strict=False).mean()
    return None if mean is None else float(str(mean))


def _draw_accuracy(
    axes: Axes, places: list[float], rows: pl.DataFrame, measured: str, style: LineStyle
) -> None:
    points = rows.with_columns(place=pl.Series(places)).drop_nulls(f"{measured}_mean")
    axes.errorbar(
        points["place"], points[f"{measured}_mean"],
        [*possible(points[f"{measured}_mean"], points[f"{measured}_ci95"].fill_null(0.0))], **style.line(), elinewidth=0.8, capsize=2,
    )  # fmt: skip


def _draw_missed(
    axes: Axes, places: list[float], rows: pl.DataFrame, width: float, style: LineStyle, hatch: str
) -> None:
    for place, row in zip(places, rows.iter_rows(named=True), strict=True):
        mean = row["missed_ratio_mean"]
        if mean is not None:
            half = row["missed_ratio_ci95"] or 0.0
            axes.bar(
                place, 100 * mean, width, color=style.colour, hatch=hatch, edgecolor="white",
                linewidth=0.3, yerr=[[100 * bar] for bar in possible(mean, half)],
                error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": BLACK},
            )  # fmt: skip
        zero = "0" if mean == 0 else ""  # a bar of no height could be one that is missing
        mark = "*" if row.get("num_starved") else ""
        if zero or mark:
            axes.annotate(
                zero + mark, (place, 100 * (mean or 0.0)), xytext=(5 if mark else 0, 2),
                textcoords="offset points", ha="center", fontsize=9 if mark else 7,
            )  # fmt: skip
        refused = row["refused_ratio_mean"] or 0.0
        if refused > 0:
            axes.annotate(
                f"{100 * refused:.0f} % refused", (place, 100 * (mean or 0.0)), xytext=(0, 11),
                textcoords="offset points", rotation=90, ha="center", va="bottom", fontsize=6,
                color=GREY,
            )  # fmt: skip
