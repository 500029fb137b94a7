"""A link in a figure: what it was set to, and what its client estimated."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes

from ..run_logs import LinkRate, RunLogs
from .style import BLUE, GREY

KBIT_PER_MBIT = 1000.0
HEADROOM = 1.25  # of the panel over the highest rate


def draw_link(axes: Axes, link: Sequence[LinkRate], frames: pl.DataFrame, run: RunLogs) -> None:
    """Draws both over the seconds of a run (Mbit/s); nothing was set where there is no link."""
    if link:
        times = [(one.at_ms - run.start_ms) / 1000 for one in link]
        rates = [one.rate_kbps / KBIT_PER_MBIT for one in link]
        end = max(times[-1], run.info.seconds)
        axes.step([*times, end], [*rates, rates[-1]], where="post", color=GREY, lw=2, alpha=0.8)
    seen = frames.drop_nulls("bandwidth_kbps")
    estimates = seen["bandwidth_kbps"] / KBIT_PER_MBIT
    axes.plot(seen["captured_s"], estimates, color=BLUE, lw=1.2, ls="--")


def limit_rates(axes: Axes, links: Sequence[Sequence[LinkRate]]) -> None:
    """Has axes show the rates of links; a first estimate far off must not squeeze the rest."""
    axes.set_ylim(bottom=0)
    rates = [one.rate_kbps for link in links for one in link]
    if rates:
        axes.set_ylim(top=HEADROOM * max(rates) / KBIT_PER_MBIT)
