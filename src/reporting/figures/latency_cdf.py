"""Latency distributions over an experiment, as in figure 9 of Jellyfish (RTSS 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...files.tidy_table import read_log
from ..load import starved_words
from ..run_folder import FRAMES_FILE
from .style import PAGE_WIDTH, LineStyle, legend_above, line_styles, new_figure, tidy

P99 = 0.99
NUMBERS_WIDTH, NUMBERS_HEIGHT = 0.3, 0.5  # of a panel; lines leave one of two corners free for them


@dataclass(frozen=True, slots=True)
class Latencies:
    """Pooled frames.

    Attributes:
        answered_ms: latency of each answered frame, rising.
        num_captured: frames, answered or not.
        is_starved: whether a run among those pooled was.
    """

    answered_ms: pl.Series
    num_captured: int
    is_starved: bool = False

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of answered frames."""
        return self.answered_ms.quantile(P99, "linear") or 0.0


class Cell(NamedTuple):
    """A panel and a line in it."""

    fps: float
    slo_ms: float
    clients: int


def pool_latencies(runs: Iterable[Path]) -> Latencies:
    """Reads the frames of runs.

    Raises:
        UsageError: naming the log that is missing or broken.
    """
    runs = [*runs]
    logs = [read_log(run / FRAMES_FILE, {"latency_ms": float | None}) for run in runs]
    latency_ms = pl.concat(logs)["latency_ms"]
    is_starved = any(starved_words(run) for run in runs)
    return Latencies(latency_ms.drop_nulls().sort(), len(latency_ms), is_starved)


def draw_latency_cdf(pools: Mapping[Cell, Latencies]) -> Figure:
    """Draws a row for each rate, a column for each SLO, and a line for each number of clients.

    A line is the share of captured frames that were answered within x ms. Frames without an answer
    never count as answered, so that its height at the right edge is the share in time.
    """
    rates, slos, clients = (sorted(set(values)) for values in zip(*pools, strict=True))
    figure = new_figure(min(PAGE_WIDTH, 1.2 + 2.2 * len(slos)), 0.5 + 1.8 * len(rates))
    panels = figure.subplots(len(rates), len(slos), sharex="col", sharey=True, squeeze=False)
    styles = line_styles(clients)
    for row, fps in enumerate(rates):
        for column, slo in enumerate(slos):
            axes = panels[row, column]
            tidy(
                axes,
                "capture to answer (ms)" if row == len(rates) - 1 else "",
                f"{fps:g} frame/s\nshare of captured" if column == 0 else "",
                f"SLO {slo:g} ms" if row == 0 else "",
            )
            axes.set_xlim(0, slo)
            axes.set_ylim(0, 1.03)
            shown = [
                (number, pools[cell])
                for number in clients
                if (cell := Cell(fps, slo, number)) in pools
            ]
            _draw_panel(axes, shown, styles, slo)
    handles = [styles[one].key("1 client" if one == 1 else f"{one} clients") for one in clients]
    legend_above(figure, handles, 6)
    return figure


def _draw_panel(
    axes: Axes, shown: list[tuple[int, Latencies]], styles: Mapping[int, LineStyle], slo_ms: float
) -> None:
    lines = []
    is_left_free = True
    for number, pool in shown:
        if len(pool.answered_ms) == 0:
            continue
        style = styles[number]
        share = pl.int_range(1, len(pool.answered_ms) + 1, eager=True) / pool.num_captured
        axes.step(
            [0, *pool.answered_ms], [0, *share], where="post",
            color=style.colour, lw=1.3, ls=style.dashes,
        )  # fmt: skip
        height = P99 * len(pool.answered_ms) / pool.num_captured
        if pool.p99_ms <= slo_ms:
            axes.plot(
                [pool.p99_ms], [height], style.marker, color=style.colour, ms=4.5, clip_on=False
            )
        lines.append(f"{number}{'*' * pool.is_starved}: {pool.p99_ms:.0f}")
        at = pool.answered_ms.search_sorted(NUMBERS_WIDTH * slo_ms, "left")
        is_left_free &= at / pool.num_captured < 1 - NUMBERS_HEIGHT
    if lines:
        x, y = (0.04, 0.96) if is_left_free else (0.97, 0.05)
        axes.text(
            x, y, "\n".join(["p99 (ms)", *lines]), transform=axes.transAxes, fontsize=7,
            ha="left" if is_left_free else "right", va="top" if is_left_free else "bottom",
        )  # fmt: skip
