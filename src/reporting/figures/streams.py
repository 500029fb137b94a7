"""The streams of a run: their frames as tables, and their links in figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_type_hints

import polars as pl
from matplotlib.axes import Axes

from ...core.records import FrameRecord
from ...files.tidy_table import polars_type
from ..run_logs import LinkRate, RunLogs
from .style import BLUE, GREY

SCHEMA = {name: polars_type(kind) for name, kind in get_type_hints(FrameRecord).items()}
KBIT_PER_MBIT = 1000.0
HEADROOM = 1.25  # of the panel over the highest rate


def frame_table(run: RunLogs, stream_id: str) -> pl.DataFrame:
    """The frames of a stream, one a row, with when they were captured from the start of the figures on (s)."""
    table = pl.DataFrame(run.frames[stream_id], SCHEMA, orient="row")
    return table.with_columns(captured_s=(pl.col("captured_ms") - run.start_ms) / 1000)


def draw_link(axes: Axes, link: Sequence[LinkRate], frames: pl.DataFrame, run: RunLogs) -> None:
    """Draws both over the seconds of a run (Mbit/s); nothing was set where there is no link."""
    if link:
        times = [(one.at_ms - run.start_ms) / 1000 for one in link]
        rates = [one.rate_kbps / KBIT_PER_MBIT for one in link]
        end = max(times[-1], run.shown_s)
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
