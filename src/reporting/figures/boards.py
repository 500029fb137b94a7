"""LoudVA's experiments: joules of a frame against load for each policy, and the share in time beside."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from ...files.tidy_table import levels
from .style import LINES, PAGE_WIDTH, legend_above, line_styles, new_figure, tidy

COLUMNS = {
    "experiment": int, "policy": str, "load": str, "load_fps": float, "in_time": float, "frames_per_j": float,
}  # fmt: skip


def draw_boards(table: pl.DataFrame) -> Figure:
    """Draws a point for each load, a kind of points for each of the first and last policies, as many as can be told apart.

    Policies with a capped clock are in the table alone.
    """
    names = [name for name in levels(table["policy"]) if "@" not in name]
    half = len(LINES) // 2
    styles = line_styles(names if len(names) <= len(LINES) else names[:half] + names[-half:])
    figure = new_figure(PAGE_WIDTH, 3.4)
    energy, time = figure.subplots(1, 2)
    for name, style in styles.items():
        own = table.filter(policy=name).sort("load_fps")
        energy.errorbar(own["load_fps"], 1 / own["frames_per_j"], **style.point())
        time.errorbar(own["load_fps"], 100 * own["in_time"], **style.point())
    tidy(energy, "load (frame/s)", "energy of a frame (J)", "All that boards draw")
    tidy(time, "load (frame/s)", "in time (%)", "Answered by the deadline")
    energy.set_ylim(bottom=0)
    handles = [style.key(name, is_point=True) for name, style in styles.items()]
    legend_above(figure, handles, 4)
    return figure
