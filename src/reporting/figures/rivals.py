"""Rival policies on two axes: how accurate the answers are, against how many frames are missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ...files.tidy_table import levels
from ..interval import mean_and_interval
from .clients import ACCURACIES, measured_accuracy
from .style import PAGE_WIDTH, LineStyle, legend_above, line_styles, new_figure, possible, tidy

SHOWN_RATIO = 0.85  # of the best accuracy; what is less would squeeze the rest
BELOW_RATIO = 0.08  # of the height, for what is less
REPEATS = ("seed", "iteration")
TICKS_PERCENT = (0, 0.5, 1, 2, 5, 10, 20, 50, 100)
LEAST_SPAN = 0.01  # of the axis of accuracy
LEFT_PERCENT, RIGHT_RATIO = -0.08, 1.15  # of the axis of misses; no point is cut
LINEAR_TO_PERCENT = 1.0  # and logarithmic above, so that 0.5 and 50 % both show


@dataclass(frozen=True, slots=True)
class RivalPoint:
    """What one rival reached on one trace under one SLO.

    Attributes:
        missed_ratio: late and dropped frames over captured ones, and half its confidence interval.
        accuracy: likewise.
        refused_ratio: cameras that were not admitted, over all.
    """

    missed_ratio: tuple[float, float]
    accuracy: tuple[float, float]
    refused_ratio: float


def rival_point(rows: pl.DataFrame, factors: Sequence[str], accuracy: str) -> RivalPoint | None:
    """Averages the rows of one rival, cameras or whole runs; None if no frame was captured.

    Each repeat (a seed and iteration) is averaged over its cells first, every cell weighing the
    same; the interval is over the repeats. Where the accuracy is empty it counts as 0.
    """
    captured = pl.col("captured")
    missed, gained = pl.col("late") + pl.col("dropped"), captured * pl.col(accuracy).fill_null(0)
    cells = (
        rows.group_by(factors, maintain_order=True)
        .agg(captured.sum(), missed=missed.sum(), gained=gained.sum())
        .filter(captured > 0)
    )
    repeats = cells.group_by(
        [name for name in factors if name in REPEATS], maintain_order=True
    ).agg(
        missed=(pl.col("missed") / captured).mean(), accuracy=(pl.col("gained") / captured).mean()
    )
    if repeats.is_empty():
        return None
    refused = rows["refused"].fill_null(0).to_list() if "refused" in rows.columns else [0.0]
    return RivalPoint(
        _with_interval(repeats["missed"].to_list()),
        _with_interval(repeats["accuracy"].to_list()),
        sum(refused) / len(refused),
    )


def _with_interval(values: Sequence[float]) -> tuple[float, float]:
    mean, half = mean_and_interval(values)
    return mean or 0.0, half or 0.0


def draw_rivals(results: pl.DataFrame, factors: Sequence[str]) -> Figure:
    """Draws a panel for each trace (column) and SLO (row), with a point for each `rival`.

    The factors are the columns that tell runs apart.
    """
    traces, slos, rivals = (levels(results[name]) for name in ("trace", "slo_ms", "rival"))
    accuracy = measured_accuracy(results, "{}")
    width = max(min(PAGE_WIDTH, 1.0 + 3.1 * len(traces)), 2.2 * len(traces))
    figure = new_figure(width, 0.8 + 2.4 * len(slos))
    panels = figure.subplots(len(slos), len(traces), squeeze=False)
    styles = line_styles(rivals)
    refused: dict[str, float] = {}
    starved: set[str] = set()
    for row, slo in enumerate(slos):
        for column, trace in enumerate(traces):
            axes = panels[row, column]
            tidy(
                axes,
                "missed frames (%)" if row == len(slos) - 1 else "",
                ACCURACIES[accuracy] if column == 0 else "",
                f"{trace}, SLO {slo:g} ms",
            )
            here = results.filter(trace=trace, slo_ms=slo)
            found = {
                name: point
                for name in rivals
                if (point := rival_point(here.filter(rival=name), factors, accuracy))
            }
            floor = SHOWN_RATIO * max((one.accuracy[0] for one in found.values()), default=0.0)
            for name, point in found.items():
                if point.accuracy[0] >= floor:
                    _draw_point(axes, point, styles[name])
                if "starved" in here.columns and here.filter(rival=name)["starved"].sum():
                    starved.add(name)
                refused[name] = max(refused.get(name, 0.0), point.refused_ratio)
            lowest = axes.get_ylim()[0]
            below: list[tuple[RivalPoint, LineStyle]] = []
            for name, point in found.items():
                if lowest <= point.accuracy[0] < floor:
                    _draw_point(axes, point, styles[name])
                elif point.accuracy[0] < floor:
                    below.append((point, styles[name]))
            _widen(axes)
            _draw_below(axes, below)
            _scale_misses(axes)
    handles = [
        styles[name].key(
            _label(f"{name}{'*' * (name in starved)}", refused.get(name, 0.0)), is_point=True
        )
        for name in rivals
    ]
    legend_above(figure, handles, 4)
    return figure


def _draw_below(axes: Axes, points: Sequence[tuple[RivalPoint, LineStyle]]) -> None:
    """Draws points that lie far below the others at the lower edge, one above the other, each with its accuracy."""
    if not points:
        return
    low, high = axes.get_ylim()
    step = BELOW_RATIO * (high - low)
    axes.set_ylim(low - (len(points) + 0.5) * step, high)
    for number, (point, style) in enumerate(points):
        at = (100 * point.missed_ratio[0], low - (number + 0.5) * step)
        axes.plot(
            [at[0]], [at[1]], **{**style.line(), "linestyle": "", "markersize": 6}, clip_on=False
        )
        is_left = at[0] < LINEAR_TO_PERCENT
        note = axes.annotate(
            f"{point.accuracy[0]:.2f} \u2193", at, xytext=(7 if is_left else -7, 0), fontsize=7, va="center",
            ha="left" if is_left else "right", textcoords="offset points",
        )  # fmt: skip
        note.set_in_layout(False)


def _widen(axes: Axes) -> None:
    """Shows accuracies that hardly differ as such."""
    low, high = axes.get_ylim()
    short = max(0.0, LEAST_SPAN - (high - low)) / 2
    axes.set_ylim(low - short, high + short)


def _scale_misses(axes: Axes) -> None:
    right = max(LINEAR_TO_PERCENT, RIGHT_RATIO * axes.dataLim.x1)
    axes.set_xscale("symlog", linthresh=LINEAR_TO_PERCENT, linscale=0.6)
    axes.set_xticks(TICKS_PERCENT, [f"{tick:g}" for tick in TICKS_PERCENT])
    axes.set_xlim(LEFT_PERCENT, right)
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_point(axes: Axes, point: RivalPoint, style: LineStyle) -> None:
    (missed, missed_half), (accuracy, accuracy_half) = point.missed_ratio, point.accuracy
    axes.errorbar(
        [100 * missed],
        [accuracy],
        xerr=[[100 * bar] for bar in possible(missed, missed_half)],
        yerr=[[bar] for bar in possible(accuracy, accuracy_half)],
        **style.point(),
    )


def _label(name: str, refused: float) -> str:
    return f"{name} ({100 * refused:.0f} % refused)" if refused > 0 else name
