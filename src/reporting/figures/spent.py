"""Where the time of answered frames went."""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from ..run_logs import RunLogs
from .streams import frame_table
from .style import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, new_figure, tidy

_SENDING = pl.col("sent_ms").fill_null(pl.col("captured_ms")) - pl.col("captured_ms")
_SERVER, _ENDPOINT, _QUEUE, _INFERENCE = (
    pl.col(f"{part}_ms").fill_null(0) for part in ("server", "endpoint", "queue", "inference")
)
PARTS: tuple[tuple[str, str, pl.Expr], ...] = (
    ("client: encode, wait to send", SKY, _SENDING),
    ("network, both ways", BLUE, (pl.col("latency_ms") - _SENDING - _SERVER).clip(0)),
    ("endpoint", GREY, _ENDPOINT),
    ("queue, with decoding", ORANGE, _QUEUE),
    ("inference", GREEN, _INFERENCE),
    ("rest of the server", VERMILLION, (_SERVER - _ENDPOINT - _QUEUE - _INFERENCE).clip(0)),
)


def draw_spent(run: RunLogs) -> Figure:
    """Draws the mean of each part of the latency, a bar per stream, beside the stream's SLO."""
    figure = new_figure(11, 0.55 * max(1, len(run.streams)) + 1.3)
    axes = figure.subplots()
    tidy(axes, "mean of answered frames (ms)")
    names = [stream.stream_id for stream in run.streams]
    left = np.zeros(len(names))
    answered = [frame_table(run, name).drop_nulls("latency_ms") for name in names]
    for label, colour, part in PARTS:
        means = np.array([frames.select(part.mean()).item() or 0.0 for frames in answered])
        axes.barh(names, means, 0.6, left, color=colour, label=label)
        left += means
    for k, stream in enumerate(run.streams):
        axes.plot([stream.slo_ms] * 2, [k - 0.38, k + 0.38], color="black", lw=1.5)
        axes.annotate(
            "SLO", (stream.slo_ms, k), xytext=(3, 0), textcoords="offset points", fontsize=8,
            va="center",
        )  # fmt: skip
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=6, fontsize=8, frameon=False)
    return figure
