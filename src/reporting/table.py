"""The table of a run for the terminal; fits 80 columns."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .device_outcome import DeviceOutcome
from .energy import in_words
from .summary import FramesOutcome, StreamOutcome, Summary
from .tenant_outcome import fairness_in_words
from .tenant_outcome import in_words as tenant_in_words

MAX_ROWS = 60
NUM_WORST = 20


def columns(summary: Summary) -> tuple[str, ...]:
    """The names of the cells of an outcome."""
    accuracy = "mAP.5" if summary.total.top1 is None else "top-1"
    return ("frames", "in time", "%", "late", "drop", accuracy, "side", "p50", "p99")


def outcome_table(summary: Summary) -> RenderableType:
    """One row per stream and one for the total; below, who dropped frames and why, and how slow devices were.

    Of more than `MAX_ROWS` streams, only those with the smallest share of frames in time.
    """
    streams = list(summary.streams.items())
    is_whole = len(streams) <= MAX_ROWS
    if not is_whole:
        streams = sorted(streams, key=lambda one: _in_time_ratio(one[1]))[:NUM_WORST]
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_footer=len(summary.streams) > 1,
    )
    table.add_column("stream", footer="total", overflow="fold")
    table.add_column("fps", justify="right")
    table.add_column("SLO ms", justify="right")
    for name, footer in zip(columns(summary), outcome_cells(summary.total), strict=True):
        table.add_column(name, footer=footer, justify="right")
    for stream_id, stream in streams:
        cells = outcome_cells(stream)
        table.add_row(stream_id, f"{stream.fps:g}", f"{stream.slo_ms:g}", *cells)
    lines = [
        Text(f"  dropped of {stream_id}: {drops(stream)}")
        for stream_id, stream in streams
        if stream.dropped
    ]
    if not is_whole:
        others = f"  {len(streams)} of {len(summary.streams)} streams, fewest frames in time first"
        lines = [Text(f"{others}; summary.json has all of them"), *lines]
        lines.append(Text(f"  dropped of all: {drops(summary.total)}"))
    lines += [
        Text(f"  {device_id}: {slowness(one)}")
        for device_id, one in list(summary.devices.items())[:MAX_ROWS]
    ]
    lines += [Text(f"  {tenant_in_words(*one)}") for one in summary.tenants.items()]
    if summary.fairness is not None:
        lines.append(Text(f"  {fairness_in_words(summary.fairness)}"))
    if text := in_words(summary.energy):
        lines.append(Text(f"  {text}"))
    return Group(table, *lines)


def slowness(device: DeviceOutcome) -> str:
    """How slow a device was, and what it loaded, in words."""
    text = (
        f"batches took {device.slowdown_p50:.2f} times their profile (p90 {device.slowdown_p90:.2f}), "
        f"{max(0.0, device.lost_ratio):.0%} of their time was lost"
    )
    if device.loads:
        text += (
            f"; {device.loads} variants were loaded in {device.load_ms:.0f} ms, "
            f"{device.planned_loads} of them for a plan that waited"
        )
    return f"{text}; to measure again: moonjelly profile --refresh" if device.refresh else text


def _in_time_ratio(stream: StreamOutcome) -> float:
    ratio = stream.in_time_ratio
    return 1.0 if ratio is None else ratio  # nothing was captured, so nothing went wrong


def outcome_cells(outcome: FramesOutcome) -> tuple[str, ...]:
    """The cells of an outcome, as `columns` names them."""
    return (
        str(outcome.captured),
        str(outcome.in_time),
        percent(outcome.in_time_ratio),
        str(outcome.late),
        str(outcome.dropped),
        ratio(outcome.map50 if outcome.top1 is None else outcome.top1),
        number(outcome.mean_side_px),
        number(outcome.p50_ms),
        number(outcome.p99_ms),
    )


def drops(outcome: FramesOutcome) -> str:
    """Drops by place and reason, most first, as one text."""
    found = [
        (count, f"{place} {reason}")
        for place, reasons in outcome.dropped_by.items()
        for reason, count in reasons.items()
    ]
    return ", ".join(f"{text} {count}" for count, text in sorted(found, reverse=True))


def percent(value: float | None) -> str:
    """A ratio as a percentage with one decimal."""
    return "-" if value is None else f"{100 * value:.1f}"


def ratio(value: float | None) -> str:
    """A number from 0 to 1 with three decimals."""
    return "-" if value is None else f"{value:.3f}"


def number(value: float | None) -> str:
    """A number without decimals."""
    return "-" if value is None else f"{value:.0f}"
