"""A zoo on a device type: accuracy, latency and throughput, as in figure 6 of Jellyfish (RTSS 2022)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from ...core.mode import ModeTable
from ...core.profile import LatencyProfile
from ...core.variant import Variant
from .style import BLACK, LINES, PAGE_WIDTH, legend_above, network_of, new_figure, tidy

DARK_TO_LIGHT = colormaps["cividis"]  # even in grey a lighter line is a larger side
LIGHTEST = 0.92  # of the map: its end is too pale on white


def draw_profiles(variants: Sequence[Variant], profile: LatencyProfile) -> Figure:
    """Draws accuracy over the input side, and p99 latency and throughput over the batch size."""
    figure = new_figure(PAGE_WIDTH, 2.7)
    accuracy, latency, throughput = figure.subplots(1, 3)
    tidy(accuracy, "input side (px)", "mAP@[.5:.95]", "accuracy")
    tidy(latency, "batch size (frames)", "p99 (ms)", f"latency on {profile.device_type}")
    tidy(throughput, "batch size (frames)", "frame/s from the p99", "throughput")
    sides = [one.input_side_px for one in variants]
    shade = Normalize(min(sides), min(sides) + (max(sides) - min(sides) or 1) / LIGHTEST)
    networks = sorted({network_of(one.name) for one in variants})
    for network, style in zip(networks, LINES, strict=False):
        mine = [one for one in variants if network_of(one.name) == network]
        mine.sort(key=lambda one: one.input_side_px)
        accuracy.plot(
            [one.input_side_px for one in mine],
            [one.accuracy for one in mine],
            color=BLACK, ls=style.dashes, marker=style.marker, ms=3.5, lw=1,
        )  # fmt: skip
        for one in mine:
            p99_ms = profile.by_variant[one.name].p99_ms
            costs = ModeTable((p99_ms,)).costs(0)
            sizes = range(1, len(p99_ms) + 1)
            look = {
                "color": DARK_TO_LIGHT(shade(one.input_side_px)), "lw": 1.1, "ls": style.dashes,
                "marker": style.marker, "ms": 2,
            }  # fmt: skip
            latency.plot(sizes, p99_ms, **look)
            throughput.plot(sizes, [cost.throughput_fps for cost in costs], **look)
    for axes in (latency, throughput):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    bar = figure.colorbar(ScalarMappable(shade, DARK_TO_LIGHT), ax=throughput, pad=0.02)
    bar.set_label("input side (px)", fontsize=8)
    bar.ax.set_ylim(min(sides), max(sides))
    bar.ax.tick_params(labelsize=7)
    if len(networks) > 1:
        handles = [
            Line2D([], [], color=BLACK, ls=style.dashes, marker=style.marker, ms=3.5, label=name)
            for name, style in zip(networks, LINES, strict=False)
        ]
        legend_above(figure, handles, 4)
    return figure
