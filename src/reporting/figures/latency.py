"""Latency distribution of each stream against its SLO."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..run_logs import RunLogs
from .streams import frame_table
from .style import BLUE, GREY, VERMILLION, new_figure, tidy

PANELS_PER_ROW = 4
X_SLOS = 1.5  # the axis ends at this many SLOs


def draw_latency(run: RunLogs) -> Figure:
    """Draws, for each stream, the share of captured frames that were answered within x ms.

    Frames without an answer never count as answered, so that a curve ends below 1 where frames were
    dropped, and its height at the SLO is the share in time.
    """
    num_columns = max(1, min(PANELS_PER_ROW, len(run.streams)))
    num_rows = max(1, -(-len(run.streams) // num_columns))
    figure = new_figure(2.9 * num_columns + 0.4, 2.6 * num_rows)
    panels = figure.subplots(num_rows, num_columns, sharey=True, squeeze=False)
    for axes in panels.flat[len(run.streams) :]:
        axes.set_visible(False)
    for k, stream in enumerate(run.streams):
        axes = panels.flat[k]
        frames = frame_table(run, stream.stream_id)
        latency = frames["latency_ms"].drop_nulls().sort()
        share = np.arange(1, len(latency) + 1) / max(1, len(frames))
        tidy(
            axes,
            "capture to answer (ms)",
            "share of captured frames" if k % num_columns == 0 else "",
            f"{stream.stream_id}: {stream.fps:g} frame/s",
        )
        axes.axvspan(stream.slo_ms, X_SLOS * stream.slo_ms, color=VERMILLION, alpha=0.07, lw=0)
        axes.axvline(stream.slo_ms, color=VERMILLION, lw=1.2, ls="--")
        axes.set_xlim(0, X_SLOS * stream.slo_ms)
        axes.set_ylim(0, 1.02)
        axes.annotate(
            f"SLO {stream.slo_ms:g}", (stream.slo_ms, 0.02), xytext=(3, 0), color=VERMILLION,
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
        if len(latency) == 0:
            axes.text(0.5, 0.5, "no answers", transform=axes.transAxes, ha="center", color=GREY)
            continue
        axes.step([0, *latency], [0, *share], where="post", color=BLUE, lw=1.6)
        for quantile, below in ((0.5, 0), (0.99, 6)):
            value = float(np.quantile(latency, quantile))
            height = quantile * len(latency) / len(frames)
            axes.plot([value], [height], "o", color=BLUE, ms=4)
            is_left = value < 0.5 * X_SLOS * stream.slo_ms  # the label goes where there is room
            axes.annotate(
                f"p{100 * quantile:g} {value:.0f}", (value, height), fontsize=8,
                xytext=(6 if is_left else -5, -below), textcoords="offset points",
                ha="left" if is_left else "right", va="top" if below else "bottom",
            )  # fmt: skip
    return figure
