"""Verdicts over time, second by second."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ...core.verdict import Verdict
from ..run_logs import RunLogs
from .streams import frame_table
from .style import VERDICT_COLOURS, VERDICT_NAMES, new_figure, tidy

ROW_HEIGHT = 1.15


def draw_verdicts(run: RunLogs) -> Figure:
    """Draws, for each stream, the frames captured in each second, stacked by verdict."""
    num_rows = max(1, len(run.streams))
    figure = new_figure(11, ROW_HEIGHT * num_rows + 0.8)
    panels = figure.subplots(num_rows, 1, sharex=True, squeeze=False)[:, 0]
    num_seconds = max(1, math.ceil(run.shown_s))
    for k, stream in enumerate(run.streams):
        axes = panels[k]
        tidy(axes, "time of capture (s)" if k == num_rows - 1 else "", "frames", stream.stream_id)
        frames = frame_table(run, stream.stream_id)
        base = np.zeros(num_seconds)
        for verdict, colour in VERDICT_COLOURS.items():
            seconds = (
                frames.filter(verdict=verdict)["captured_s"].cast(int).clip(0, num_seconds - 1)
            )
            counts = np.bincount(seconds, minlength=num_seconds)
            hatch = {Verdict.IN_TIME: "", Verdict.LATE: "//", Verdict.DROPPED: "xx"}[verdict]
            axes.bar(
                np.arange(num_seconds), counts, 0.9, base, align="edge", color=colour, hatch=hatch,
                edgecolor="white", linewidth=0,
            )  # fmt: skip
            base += counts
        axes.set_xlim(0, num_seconds)
    handles = [
        Patch(facecolor=colour, label=VERDICT_NAMES[verdict])
        for verdict, colour in VERDICT_COLOURS.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure
