"""The published studies of planners: accuracy against the optimum, and run time, by size."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

from ...files.tidy_table import levels
from .style import LINES, PAGE_WIDTH, legend_above, line_styles, new_figure, tidy

_SIZE = {"num_devices": int, "clients_per_device": int, "planner": str}
COMPARE_COLUMNS = _SIZE | {
    "num_served": int, "accuracy": float | None, "exact_served": int | None,
    "exact_accuracy": float | None, "is_proved": int, "outcome": str,
}  # fmt: skip
TIMINGS_COLUMNS = _SIZE | {"processor_ms": float}
PERIOD_MS = 500.0
BOX_WIDTH = 0.6
DODGE = 0.12  # clients, between lines, so that their bars stand side by side


def draw_compare(table: pl.DataFrame) -> Figure:
    """Draws accuracy relative to the proved optimum, a box for each size, a panel for each planner."""
    planners = levels(table["planner"])
    sizes = table.select("num_devices", "clients_per_device").unique().sort(pl.all()).rows()
    figure = new_figure(PAGE_WIDTH, 2.7)
    panels = figure.subplots(1, len(planners), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, planners, strict=True):
        shortfalls, labels = [], []
        for devices, clients in sizes:
            proved = table.filter(
                planner=name, num_devices=devices, clients_per_device=clients, is_proved=1
            )
            as_many = proved.filter(pl.col("num_served") == pl.col("exact_served"))
            shortfalls.append(100 * (1 - as_many["accuracy"] / as_many["exact_accuracy"]))
            num_equal = (proved["outcome"] == "equal").sum()
            labels.append(
                f"{devices}x{clients}\n"
                + (f"{100 * num_equal / len(proved):.0f} %" if len(proved) else "none")
            )
        panel.boxplot(
            shortfalls, widths=BOX_WIDTH, whis=(0, 100), medianprops={"color": LINES[1].colour}
        )
        panel.set_xticks(range(1, len(sizes) + 1), labels, fontsize=7)
        tidy(panel, "devices x clients each; optimum found", title=name)
    panels[0].set_ylabel("accuracy below the optimum (%)", fontsize=9)
    return figure


def draw_timings(table: pl.DataFrame) -> Figure:
    """Draws processor time over clients of each device, a panel for each planner, a line for each number of devices.

    Lines are medians, bars reach from least to most.
    """
    planners, devices, clients = (
        levels(table[name]) for name in ("planner", "num_devices", "clients_per_device")
    )
    figure = new_figure(min(PAGE_WIDTH, 1.2 + 2.6 * len(planners)), 3.2)
    panels = figure.subplots(1, len(planners), sharey=True, squeeze=False)[0]
    took = pl.col("processor_ms")
    styles = line_styles(devices)
    for panel, name in zip(panels, planners, strict=True):
        for k, (number, style) in enumerate(styles.items()):
            points = table.filter(planner=name, num_devices=number).group_by("clients_per_device").agg(
                middle=took.median(), below=took.median() - took.min(),
                above=took.max() - took.median(),
            ).sort("clients_per_device")  # fmt: skip
            off = DODGE * (k - (len(devices) - 1) / 2)
            panel.errorbar(
                points["clients_per_device"] + off, points["middle"],
                [points["below"], points["above"]], elinewidth=0.8, capsize=2, **style.line(),
            )  # fmt: skip
        panel.axhline(PERIOD_MS, color=LINES[6].colour, linewidth=0.8)
        panel.set_xticks(clients)
        panel.set_yscale("log")
        tidy(panel, "clients of each device", title=name)
    panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panels[0].yaxis.set_minor_locator(NullLocator())
    panels[0].set_ylabel("processor time of a plan (ms)", fontsize=9)
    handles = [
        style.key("1 device" if one == 1 else f"{one} devices") for one, style in styles.items()
    ]
    legend_above(figure, handles, 4)
    return figure
