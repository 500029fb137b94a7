"""How two streams followed their links: side of frame and variant, above rate and estimate.

The layout is that of figure 7 of Jellyfish (RTSS 2022), which shows variants alone: there, each frame is sent at the
side of its variant.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...core.verdict import Verdict
from ..run_logs import PlannedRate, RunLogs
from .streams import KBIT_PER_MBIT, draw_link, frame_table, limit_rates
from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PAGE_WIDTH,
    VERMILLION,
    legend_above,
    new_figure,
    tidy,
)

MAX_STREAMS = 2
TICK_PX = 64
LANE_RATIO = 0.12  # of the span of sides, between the lanes of late and dropped frames
MIN_SPAN = 128
MISSED = (
    (Verdict.LATE, ORANGE, "v", "late"),
    (Verdict.DROPPED, VERMILLION, "x", "dropped"),
)


def draw_following(run: RunLogs) -> Figure:
    """Draws a column for each of the two streams of a run whose links change most often.

    Above: the side of each frame in time and of the variant that answered it, and over them the frames
    that were late or dropped. Below: what the link was set to, and what client and server thought of it.
    """
    by_change = sorted(run.streams, key=lambda one: -len(run.links.get(one.stream_id, ())))
    streams = [one for one in run.streams if one in by_change[:MAX_STREAMS]]
    figure = new_figure(PAGE_WIDTH if len(streams) > 1 else 0.6 * PAGE_WIDTH, 3.9)
    panels = figure.subplots(
        2, max(1, len(streams)), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 2)
    )
    frames = [_with_variant_side(frame_table(run, stream.stream_id)) for stream in streams]
    sides = {
        side for own in frames for name in ("side_px", "variant_px") for side in own[name] if side
    }
    lanes = _lanes(sides)
    for k, stream in enumerate(streams):
        above, below = panels[0, k], panels[1, k]
        title = f"{stream.stream_id}: {stream.fps:g} frame/s, SLO {stream.slo_ms:g} ms"
        tidy(above, "", "side (px)" if k == 0 else "", title)
        tidy(below, "time (s)", "uplink (Mbit/s)" if k == 0 else "")
        _draw_sides(above, frames[k], lanes)
        draw_link(below, run.links.get(stream.stream_id, ()), frames[k], run)
        _draw_planned(below, run.planned.get(stream.stream_id, ()), frames[k])
        below.set_xlim(0, run.shown_s)
        below.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _label_sides(panels[0, 0], sides, lanes)
    limit_rates(panels[1, 0], [run.links.get(stream.stream_id, ()) for stream in streams])
    marks = [
        Line2D([], [], color=colour, marker=marker, ms=4, lw=0, label=f"{label} frame")
        for _, colour, marker, label in MISSED
    ]
    handles = [
        Line2D([], [], color=GREEN, marker="o", ms=3, lw=0, label="frame in time"),
        Line2D([], [], color=BLACK, lw=0.9, label="its variant"),
        *marks,
        Line2D([], [], color=GREY, lw=2, label="link"),
        Line2D([], [], color=BLUE, lw=1.2, ls="--", label="client's estimate"),
    ]
    if run.planned:
        handles.append(Line2D([], [], color=BLACK, lw=1.2, ls=":", label="server's estimate"))
    legend_above(figure, handles, 4)
    return figure


def _draw_planned(axes: Axes, planned: Sequence[PlannedRate], frames: pl.DataFrame) -> None:
    rates = pl.DataFrame(planned, {"sequence": pl.Int64, "rate_kbps": pl.Float64}, orient="row")
    seen = frames.join(rates, on="sequence", maintain_order="left")
    axes.plot(seen["captured_s"], seen["rate_kbps"] / KBIT_PER_MBIT, color=BLACK, lw=1.2, ls=":")


def _with_variant_side(frames: pl.DataFrame) -> pl.DataFrame:
    """Adds the side of the variant that answered, which is named network-side; none without an answer."""
    side = pl.col("variant").str.extract(r"-(\d+)$").cast(pl.Int64)
    return frames.with_columns(variant_px=side)


def _lanes(sides: Collection[int]) -> list[float]:
    """Where on the axis of sides late frames are drawn, and dropped ones."""
    top, span = max(sides, default=1), max(max(sides, default=1) - min(sides, default=0), MIN_SPAN)
    return [top + (k + 1) * LANE_RATIO * span for k in range(len(MISSED))]


def _draw_sides(axes: Axes, frames: pl.DataFrame, lanes: Sequence[float]) -> None:
    in_time = frames.filter(verdict=Verdict.IN_TIME)
    ran, sent = in_time.drop_nulls("variant_px"), in_time.drop_nulls("side_px")
    axes.step(ran["captured_s"], ran["variant_px"], where="post", color=BLACK, lw=0.9)
    axes.plot(sent["captured_s"], sent["side_px"], "o", color=GREEN, ms=2.4, markeredgewidth=0)
    for height, (verdict, colour, marker, _) in zip(lanes, MISSED, strict=True):
        missed = frames.filter(verdict=verdict)["captured_s"]
        axes.plot(missed, [height] * len(missed), marker, color=colour, ms=3.5)


def _label_sides(axes: Axes, sides: Collection[int], lanes: Sequence[float]) -> None:
    """Marks some sides, and the lanes of what was missed."""
    low, high = min(sides, default=0), max(sides, default=1)
    ticks = [tick for tick in range(0, high + 1, TICK_PX) if tick >= low - TICK_PX // 2]
    labels = [*map(str, ticks), *(label for *_, label in MISSED)]
    axes.set_yticks([*ticks, *lanes], labels, fontsize=7)
    axes.set_ylim(low - 0.6 * (lanes[0] - high), lanes[-1] + 0.6 * (lanes[0] - high))
