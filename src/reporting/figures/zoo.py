"""A zoo on a device type: accuracy and latency of its variants, and what batches bring."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from ...core.profile import LatencyProfile
from ...core.variant import Variant
from .style import network_of, new_figure, tidy, variant_colours


def draw_zoo(variants: Sequence[Variant], profile: LatencyProfile) -> Figure:
    """Draws accuracy against p99 latency, p99 against the batch size, and throughput against it."""
    figure = new_figure(11, 3.4)
    front, latency, throughput = figure.subplots(1, 3)
    tidy(front, "p99 of one frame (ms)", "mAP@[.5:.95]", f"variants on {profile.device_type}")
    tidy(latency, "batch size (frames)", "p99 (ms)", "latency of a batch")
    tidy(throughput, "batch size (frames)", "frame/s from the p99", "throughput")
    colours = variant_colours(variant.name for variant in variants)
    for network, colour in colours.items():
        mine = [one for one in variants if network_of(one.name) == network]
        mine.sort(key=lambda one: one.input_side_px)
        tables = [profile.by_variant[one.name] for one in mine]
        first = [table.p99_ms[0] for table in tables]
        front.plot(
            first, [one.accuracy for one in mine], "o-", ms=4, lw=1, color=colour, label=network
        )
        for one, x in zip(mine, first, strict=True):
            front.annotate(
                str(one.input_side_px), (x, one.accuracy), xytext=(3, -8), fontsize=6,
                textcoords="offset points", color=colour,
            )  # fmt: skip
        for table in tables:
            sizes = range(1, table.max_batch_size + 1)
            latency.plot(sizes, table.p99_ms, lw=1, color=colour)
            throughput.plot(sizes, [table.throughput_fps(b) for b in sizes], lw=1, color=colour)
    front.set_xscale("log")
    latency.set_yscale("log")
    throughput.set_yscale("log")
    for axis in (front.xaxis, latency.yaxis, throughput.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    front.legend(fontsize=8, frameon=False)
    return figure
