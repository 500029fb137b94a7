"""How far bandwidth estimates are off: the distribution of their errors on each recorded link."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from ...files.tidy_table import levels
from .style import PAGE_WIDTH, legend_above, line_styles, new_figure, tidy

COLUMNS = {"recording": str, "estimator": str, "share_ratio": float, "error_ratio": float}
PANELS_PER_ROW = 3
TICKS_PERCENT = (1, 2, 5, 10, 20, 50, 100)
LEAST_PERCENT, MOST_PERCENT = 0.7, 150.0
MEDIAN = 0.5


def draw_estimators(table: pl.DataFrame) -> Figure:
    """Draws a panel for each recording, of quantiles of the absolute error over the true rate."""
    recordings, names = levels(table["recording"]), levels(table["estimator"])
    num_columns = max(1, min(PANELS_PER_ROW, len(recordings)))
    num_rows = max(1, -(-len(recordings) // num_columns))
    figure = new_figure(min(PAGE_WIDTH, 1.0 + 2.3 * num_columns), 0.6 + 1.9 * num_rows)
    panels = figure.subplots(num_rows, num_columns, sharex=True, sharey=True, squeeze=False)
    styles = line_styles(names)
    for number, recording in enumerate(recordings):
        axes = panels.flat[number]
        is_lowest = number + num_columns >= len(recordings)
        tidy(
            axes,
            "off the true rate by at most (%)" if is_lowest else "",
            "share of estimates" if number % num_columns == 0 else "",
            recording,
        )
        axes.tick_params(labelbottom=is_lowest)
        axes.axhline(MEDIAN, color="black", lw=0.6, ls=":")
        for name in names:
            rows = table.filter(recording=recording, estimator=name)
            style = styles[name]
            axes.plot(
                100 * rows["error_ratio"], rows["share_ratio"],
                color=style.colour, ls=style.dashes, lw=1.3,
                marker=style.marker, ms=3.5, markevery=0.2,
            )  # fmt: skip
    for axes in panels.flat[len(recordings) :]:
        axes.set_visible(False)
    first = panels[0, 0]
    first.set_xscale("log")
    first.set_xlim(LEAST_PERCENT, MOST_PERCENT)
    first.set_ylim(0, 1)
    first.xaxis.set_major_locator(FixedLocator(TICKS_PERCENT))
    first.xaxis.set_major_formatter("{x:g}")
    first.xaxis.set_minor_locator(NullLocator())
    legend_above(figure, [styles[name].key(name) for name in names], 4)
    return figure
