"""Where the time of answered frames went."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from ...core.records import FrameRecord
from ..run_logs import RunLogs
from .style import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, new_figure, tidy

Part = Callable[[FrameRecord], float]


def _sending(one: FrameRecord) -> float:
    return (one.sent_ms or one.captured_ms) - one.captured_ms


def _network(one: FrameRecord) -> float:
    return max(0.0, (one.latency_ms or 0) - _sending(one) - (one.server_ms or 0))


def _rest(one: FrameRecord) -> float:
    parts = (one.endpoint_ms or 0) + (one.queue_ms or 0) + (one.inference_ms or 0)
    return max(0.0, (one.server_ms or 0) - parts)


PARTS: tuple[tuple[str, str, Part], ...] = (
    ("client: encode, wait to send", SKY, _sending),
    ("network, both ways", BLUE, _network),
    ("endpoint", GREY, lambda one: one.endpoint_ms or 0.0),
    ("queue, with decoding", ORANGE, lambda one: one.queue_ms or 0.0),
    ("inference", GREEN, lambda one: one.inference_ms or 0.0),
    ("rest of the server", VERMILLION, _rest),
)


def draw_spent(run: RunLogs) -> Figure:
    """Draws the mean of each part of the latency, a bar per stream, beside the stream's SLO."""
    figure = new_figure(11, 0.55 * max(1, len(run.streams)) + 1.3)
    axes = figure.subplots()
    tidy(axes, "mean of answered frames (ms)")
    names = [stream.stream_id for stream in run.streams]
    left = np.zeros(len(names))
    answered = [[one for one in run.frames[name] if one.latency_ms is not None] for name in names]
    for label, colour, part in PARTS:
        means = np.array([np.mean([part(one) for one in rows]) if rows else 0 for rows in answered])
        axes.barh(names, means, 0.6, left, color=colour, label=label)
        left += means
    for k, stream in enumerate(run.streams):
        axes.plot([stream.slo_ms] * 2, [k - 0.38, k + 0.38], color="black", lw=1.5)
        axes.annotate(
            "SLO",
            (stream.slo_ms, k),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
        )
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=6, fontsize=8, frameon=False)
    return figure
