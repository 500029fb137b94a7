"""The table of a run for the terminal."""

from __future__ import annotations

from rich.table import Table

from .summary import Outcome, Summary


def outcome_table(summary: Summary) -> Table:
    """One row per stream, one for the total."""
    table = Table(show_footer=len(summary.streams) > 1)
    total = summary.total
    columns: list[tuple[str, str]] = [("stream", "total"), ("frame/s", ""), ("SLO ms", "")]
    cells = [_cells(stream.outcome) for stream in summary.streams]
    for name, footer in [*columns, *_cells(total).items()]:
        table.add_column(name, footer=footer, justify="left" if name in LEFT else "right")
    for stream, row in zip(summary.streams, cells, strict=True):
        table.add_row(stream.stream_id, f"{stream.fps:g}", f"{stream.slo_ms:g}", *row.values())
    return table


LEFT = {"stream", "dropped by"}


def _cells(outcome: Outcome) -> dict[str, str]:
    return {
        "captured": str(outcome.captured),
        "in time": str(outcome.in_time),
        "late": str(outcome.late),
        "dropped": str(outcome.dropped),
        "in time %": percent(outcome.in_time_ratio),
        "mAP.5": ratio(outcome.map50),
        "side px": number(outcome.mean_side_px),
        "p50 ms": number(outcome.p50_ms),
        "p99 ms": number(outcome.p99_ms),
        "dropped by": drops(outcome),
    }


def drops(outcome: Outcome) -> str:
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
