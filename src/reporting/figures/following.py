"""How two streams followed their links: the variant of each frame, above rate and estimate.

The layout is that of figure 7 of Jellyfish (RTSS 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...core.records import FrameRecord
from ...core.verdict import Verdict
from ..run_logs import LinkRate, RunLogs
from .style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PAGE_WIDTH,
    VERMILLION,
    legend_above,
    network_of,
    new_figure,
    tidy,
)

MAX_STREAMS = 2
MAX_LABELS = 9
KBIT_PER_MBIT = 1000.0
HEADROOM = (
    1.25  # of the link's panel over its highest rate: a first guess far off must not squeeze it
)
MISSED = (
    (Verdict.LATE, ORANGE, "v", "late"),
    (Verdict.DROPPED, VERMILLION, "x", "dropped"),
)


def draw_following(run: RunLogs) -> Figure:
    """Draws a column for each of the two streams of a run whose links change most often.

    Above: the variant that answered each frame, and over all variants the frames that were late or
    dropped. Below: what the link was set to, and what the client thought of it.
    """
    by_change = sorted(run.streams, key=lambda one: -len(run.links.get(one.stream_id, ())))
    streams = [one for one in run.streams if one in by_change[:MAX_STREAMS]]
    figure = new_figure(PAGE_WIDTH if len(streams) > 1 else 0.6 * PAGE_WIDTH, 3.9)
    panels = figure.subplots(
        2, max(1, len(streams)), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 2)
    )
    rows = [run.frames[stream.stream_id] for stream in streams]
    variants = sorted({one.variant for own in rows for one in own if one.variant}, key=_size)
    for k, stream in enumerate(streams):
        above, below = panels[0, k], panels[1, k]
        title = f"{stream.stream_id}: {stream.fps:g} frame/s, SLO {stream.slo_ms:g} ms"
        tidy(above, "", "variant" if k == 0 else "", title)
        tidy(below, "time (s)", "uplink (Mbit/s)" if k == 0 else "")
        _draw_variants(above, rows[k], variants, run.start_ms)
        _draw_link(below, run.links.get(stream.stream_id, ()), rows[k], run)
        below.set_xlim(0, run.info.seconds)
        below.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _label_rows(panels[0, 0], variants)
    _limit_rates(panels[1, 0], [run.links.get(stream.stream_id, ()) for stream in streams])
    marks = [
        Line2D([], [], color=colour, marker=marker, ms=4, lw=0, label=f"{label} frame")
        for _, colour, marker, label in MISSED
    ]
    handles = [
        Line2D([], [], color=GREEN, marker="o", ms=3, lw=0, label="frame answered in time"),
        *marks,
        Line2D([], [], color=GREY, lw=2, label="link"),
        Line2D([], [], color=BLUE, lw=1.2, ls="--", label="estimate"),
    ]
    legend_above(figure, handles, 5)
    return figure


def _size(variant: str) -> tuple[int, str]:
    """Orders variants named network-side by their side."""
    side = variant.rpartition("-")[2]
    return (int(side) if side.isdigit() else 0, variant)


def _draw_variants(
    axes: Axes, rows: Sequence[FrameRecord], variants: Sequence[str], start_ms: float
) -> None:
    place = {name: k for k, name in enumerate(variants)}
    in_time = [one for one in rows if one.verdict == Verdict.IN_TIME and one.variant]
    axes.plot(
        [(one.captured_ms - start_ms) / 1000 for one in in_time],
        [place[one.variant] for one in in_time],
        "o",
        color=GREEN,
        ms=2.2,
        markeredgewidth=0,
    )
    for height, (verdict, colour, marker, _) in enumerate(MISSED, len(variants)):
        missed = [one for one in rows if one.verdict == verdict]
        axes.plot(
            [(one.captured_ms - start_ms) / 1000 for one in missed],
            [height] * len(missed),
            marker,
            color=colour,
            ms=3.5,
        )


def _draw_link(
    axes: Axes, link: Sequence[LinkRate], rows: Sequence[FrameRecord], run: RunLogs
) -> None:
    if link:
        times = [(one.at_ms - run.start_ms) / 1000 for one in link]
        rates = [one.rate_kbps / KBIT_PER_MBIT for one in link]
        end = max(times[-1], run.info.seconds)
        axes.step([*times, end], [*rates, rates[-1]], where="post", color=GREY, lw=2, alpha=0.8)
    seen = [one for one in rows if one.bandwidth_kbps is not None]
    axes.plot(
        [(one.captured_ms - run.start_ms) / 1000 for one in seen],
        [(one.bandwidth_kbps or 0) / KBIT_PER_MBIT for one in seen],
        color=BLUE,
        lw=1.2,
        ls="--",
    )


def _limit_rates(axes: Axes, links: Sequence[Sequence[LinkRate]]) -> None:
    axes.set_ylim(bottom=0)
    rates = [one.rate_kbps for link in links for one in link]
    if rates:
        axes.set_ylim(top=HEADROOM * max(rates) / KBIT_PER_MBIT)


def _label_rows(axes: Axes, variants: Sequence[str]) -> None:
    """Names the rows of the upper panels: some of the variants, and what was missed."""
    names = list(variants)
    if len({network_of(name) for name in names}) == 1:
        names = [name.rpartition("-")[2] for name in names]
        axes.set_ylabel("input side (px)", fontsize=9)
    step = -(-len(names) // MAX_LABELS) or 1
    places = list(range(0, len(names), step))
    labels = [names[k] for k in places] + [label for *_, label in MISSED]
    axes.set_yticks([*places, len(names), len(names) + 1], labels, fontsize=7)
    axes.set_ylim(-0.8, len(names) + 1.8)
