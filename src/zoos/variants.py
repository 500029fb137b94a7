"""`variants.csv`: the variants of a zoo and how accurate they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path

from ..core.variant import Variant
from ..files.table import Row, read_table, write_table

MAX_SIDE_PX = 4096
MAX_FRAME_KBITS = 1e6


class Metric(StrEnum):
    """What an accuracy is."""

    MAP = "map"  # mAP@[.5:.95] against labels
    TOP1 = "top1"  # share of pictures whose label is the likeliest
    AGREEMENT = "agreement"  # one of the two, against what the golden variant says


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One row of `variants.csv`; the fields are its columns.

    Attributes:
        variant: name, unique in the zoo.
        network: the trained network that it shares with its other sides.
        input_side_px: the network takes squares of this side.
        map: mAP@[.5:.95] on the zoo's test set, 0 to 1.
        map50: mAP@.5 on the same; empty where it is not known.
        map_small: mAP@[.5:.95] of the small objects alone; likewise medium and large. Empty where it
            was not measured.
        frame_kbits: encoded size of a frame of that side (kbit, 1000 bit), a high percentile.
        num_frames: test frames that were scored; 0 for numbers that were not measured here.
        metric: what the accuracies are; the same in the whole table.
    """

    variant: str
    network: str
    input_side_px: int
    map: float
    map50: float | None
    map_small: float | None
    map_medium: float | None
    map_large: float | None
    frame_kbits: float
    num_frames: int
    metric: Metric = Metric.MAP


COLUMNS = tuple(field.name for field in fields(VariantRow))


def read_variant_rows(path: Path) -> tuple[VariantRow, ...]:
    """Reads the table in its own order.

    Raises:
        UsageError: with `file:row:column: rule` where it is broken.
    """
    found: dict[str, VariantRow] = {}
    for row in read_table(path, COLUMNS).rows:
        parsed = VariantRow(
            variant=row.id_of("variant"),
            network=row.id_of("network"),
            input_side_px=row.count_of("input_side_px", 1, MAX_SIDE_PX),
            map=row.number_of("map", 0, 1),
            map50=_optional_map(row, "map50"),
            map_small=_optional_map(row, "map_small"),
            map_medium=_optional_map(row, "map_medium"),
            map_large=_optional_map(row, "map_large"),
            frame_kbits=row.number_of("frame_kbits", 1e-3, MAX_FRAME_KBITS),
            num_frames=row.count_of("num_frames", 0, 10**9),
            metric=_metric(row),
        )
        if parsed.variant in found:
            raise row.error("variant", "is listed twice")
        if any(one.metric != parsed.metric for one in found.values()):
            raise row.error("metric", "must be the same in all rows")
        found[parsed.variant] = parsed
    return tuple(found.values())


def _metric(row: Row) -> Metric:
    try:
        return Metric(row.text("metric"))
    except ValueError:
        raise row.error("metric", f"must be one of {', '.join(Metric)}") from None


def _optional_map(row: Row, column: str) -> float | None:
    return row.number_of(column, 0, 1) if row.text(column) else None


def load_variants(path: Path) -> tuple[Variant, ...]:
    """Reads a zoo's variants as planning takes them: least accurate first, then smallest side.

    Raises:
        UsageError: with `file:row:column: rule` where the table is broken.
    """
    variants = [
        Variant(row.variant, row.input_side_px, row.map, row.frame_kbits)
        for row in read_variant_rows(path)
    ]
    return tuple(sorted(variants, key=lambda one: (one.accuracy, one.input_side_px, one.name)))


def write_variants(path: Path, rows: Iterable[VariantRow], notes: dict[str, str]) -> None:
    """Writes the table, smallest side first; `notes` tell how it came about."""
    ordered = sorted(rows, key=lambda row: (row.input_side_px, row.map, row.variant))
    write_table(
        path,
        notes,
        COLUMNS,
        ([_text(value) for value in astuple(row)] for row in ordered),
    )


def _text(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else value
