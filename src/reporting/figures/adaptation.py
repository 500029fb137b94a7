"""How each stream followed its link: rate and estimate, and the side and network that served it."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...core.verdict import Verdict
from ..run_logs import RunLogs
from .streams import draw_link, frame_table, limit_rates
from .style import (
    BLACK,
    BLUE,
    GREY,
    VERMILLION,
    network_of,
    new_figure,
    tidy,
    variant_colours,
)

ROW_HEIGHT = 1.75


def draw_adaptation(run: RunLogs) -> Figure:
    """Draws one row per stream: the link on the left, what was sent and by whom it was served right."""
    num_rows = max(1, len(run.streams))
    figure = new_figure(11, ROW_HEIGHT * num_rows + 0.7)
    panels = figure.subplots(num_rows, 2, sharex=True, squeeze=False)
    answered = [one.variant for rows in run.frames.values() for one in rows if one.variant]
    colours = variant_colours(answered)
    for k, stream in enumerate(run.streams):
        frames = frame_table(run, stream.stream_id)
        left, right = panels[k]
        is_last = k == num_rows - 1
        title = f"{stream.stream_id}: {stream.fps:g} frame/s, SLO {stream.slo_ms:g} ms"
        tidy(left, "time (s)" if is_last else "", "link (Mbit/s)", title)
        tidy(right, "time (s)" if is_last else "", "side (px)", "input side and network")
        link = run.links.get(stream.stream_id, ())
        draw_link(left, link, frames, run)
        limit_rates(left, [link])
        _draw_sides(right, frames, colours, run.start_ms)
        left.set_xlim(0, run.shown_s)
    handles = [
        Line2D([], [], color=GREY, lw=2, label="link"),
        Line2D([], [], color=BLUE, lw=1.2, ls="--", label="client's estimate"),
        *(
            Line2D([], [], color=colour, marker="o", ms=4, lw=0, label=f"answered by {network}")
            for network, colour in colours.items()
        ),
        Line2D([], [], color=BLACK, lw=0.8, label="advised side"),
        Line2D([], [], color=VERMILLION, marker="|", ms=8, lw=0, label="late or dropped"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=6, fontsize=8, frameon=False)
    return figure


def _draw_sides(axes: Axes, frames: pl.DataFrame, colours: dict[str, str], start_ms: float) -> None:
    advised = frames.drop_nulls("advised_side_px")
    told_ms = advised["answered_ms"].fill_null(advised["captured_ms"])
    axes.step(
        (told_ms - start_ms) / 1000, advised["advised_side_px"], where="post", color=BLACK, lw=0.8
    )
    for network, colour in colours.items():
        own = frames["variant"].map_elements(network_of, pl.String) == network
        served = frames.filter(own, pl.col("variant") != "")
        axes.plot(served["captured_s"], served["side_px"].fill_null(0), "o", color=colour, ms=2.6)
    missed = frames.filter(pl.col("verdict") != Verdict.IN_TIME)
    axes.plot(
        missed["captured_s"], [0.03] * len(missed), "|", color=VERMILLION, ms=8,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    sides = [side for name in ("side_px", "advised_side_px") for side in frames[name] if side]
    if sides:
        axes.set_ylim(min(sides) - 64, max(sides) + 32)
