"""Is the simulator right? Each cell of an experiment as it was live, against the same cell simulated."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..tidy_table import TidyRow, TidyTable
from .style import BLACK, GREY, PAGE_WIDTH, legend_above, line_styles, new_figure, tidy

COLUMNS = ("scenario", "side", "in_time_ratio", "accuracy", "p50_ms")
LIVE, SIMULATED = "live", "simulated"
POINTS = 2.0  # percentage points of frames in time by which both may differ


def draw_twin(table: TidyTable) -> Figure:
    """Draws frames in time, accuracy and median latency; where both agree, a point lies on the line.

    Args:
        table: a row for each cell and side; what stands before `side` tells cells apart.
    """
    factors = table.columns[: table.columns.index("side")]
    cells: dict[tuple[str, ...], dict[str, TidyRow]] = {}
    for row in table.rows:
        cells.setdefault(tuple(row[name] for name in factors), {})[row["side"]] = row
    kind = "trace" if len(table.levels("scenario")) == 1 and "trace" in factors else "scenario"
    kinds = table.levels(kind)
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
            points = _points(
                [sides for sides in cells.values() if _is_of(sides, kind, name)], column
            )
            xs, ys = [scale * x for x, _ in points], [scale * y for _, y in points]
            axes.errorbar(xs, ys, **styles[name].point())
            found += [*xs, *ys]
        _draw_line(axes, found, POINTS if column == "in_time_ratio" else 0.0)
    legend_above(figure, [styles[name].key(name, is_point=True) for name in kinds], 4)
    return figure


def _is_of(sides: dict[str, TidyRow], kind: str, name: str) -> bool:
    return any(row[kind] == name for row in sides.values())


def _points(cells: Sequence[dict[str, TidyRow]], column: str) -> list[tuple[float, float]]:
    """Live and simulated value of the cells that have both."""
    points: list[tuple[float, float]] = []
    for sides in cells:
        if LIVE in sides and SIMULATED in sides:
            live, simulated = sides[LIVE].number(column), sides[SIMULATED].number(column)
            if live is not None and simulated is not None:
                points.append((live, simulated))
    return points


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
