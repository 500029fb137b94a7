"""A link in a figure: what it was set to, and what its client estimated."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ...core.records import FrameRecord
from ..run_logs import LinkRate, RunLogs
from .style import BLUE, GREY

KBIT_PER_MBIT = 1000.0
HEADROOM = 1.25  # of the panel over the highest rate


def draw_link(
    axes: Axes, link: Sequence[LinkRate], rows: Sequence[FrameRecord], run: RunLogs
) -> None:
    """Draws both over the seconds of a run (Mbit/s); nothing was set where there is no link."""
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


def limit_rates(axes: Axes, links: Sequence[Sequence[LinkRate]]) -> None:
    """Has axes show the rates of links; a first estimate far off must not squeeze the rest."""
    axes.set_ylim(bottom=0)
    rates = [one.rate_kbps for link in links for one in link]
    if rates:
        axes.set_ylim(top=HEADROOM * max(rates) / KBIT_PER_MBIT)
