"""From samples at some clocks of a device to the rows of all its clocks, and what each of them comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.errors import UsageError
from ..files.table import write_table
from ..zoos import LatencyFile, LatencyRow
from ..zoos.latency import ENOUGH_CELLS
from .samples import Cell, SampleFile
from .statistics import spread_ratio, summarise, with_energy

LEAST_CLOCKS = (
    3  # to predict others: of two, power between them may be 18 % off (`benchmarks/few_clocks.py`)
)
MEASURED, LINE, PREDICTED = "measured", "line", "predicted"
MARKS = {
    MEASURED: "from samples; spreads are standard deviations over the mean, of latency over batches, of power over windows",
    LINE: "latency on the straight line through the two nearest batch sizes that were measured; power predicted",
    PREDICTED: "latency and power predicted from the cells that were measured; p99_ms has the spread in it",
}


def check_clocks(
    clocks_mhz: Sequence[int],
    listed_mhz: Sequence[int],
    cells: Sequence[Cell],
    most: Mapping[str, int],
) -> None:
    """Checks that cells which are to be measured are enough to predict the others.

    Raises:
        UsageError: if not.
    """
    if listed_mhz[-1] not in clocks_mhz:
        raise UsageError(
            f"clocks: must have {listed_mhz[-1]}, the highest, which a device runs at that nobody sets"
        )
    if len(clocks_mhz) < min(LEAST_CLOCKS, len(listed_mhz)):
        raise UsageError(
            f"clocks: must be {LEAST_CLOCKS} or more, as fewer do not tell power at the others"
        )
    for variant, size in most.items():
        wanted = size * len(listed_mhz)
        num_cells = sum(cell.variant == variant for cell in cells)
        if num_cells < min(wanted, ENOUGH_CELLS):
            raise UsageError(
                f"clocks, batch_sizes: {variant} would have {num_cells} of {wanted} cells; the others are predicted from "
                f"{min(wanted, ENOUGH_CELLS)} or more"
            )


def clock_rows(
    table: LatencyFile,
    file: SampleFile,
    most: Mapping[str, int],
    clocks_mhz: Sequence[int],
    listed_mhz: Sequence[int],
) -> LatencyFile:
    """The table with its rows: a row for each variant, batch size and listed clock. It has energy if all cells were metered."""
    from ..zoos.clocks import filled  # noqa: PLC0415 - loads scipy

    rows = [row for mhz in clocks_mhz for row in summarise(file.samples, most, mhz)]
    if all(file.powered.values()):
        rows = [with_energy(row, file.powered.get(cell_of(row), ())) for row in rows]
    table = filled(replace(table, rows=tuple(rows)), listed_mhz)
    tails_ms: dict[tuple[str, float | None], float] = {}
    raised: list[LatencyRow] = []
    for row in table.rows:
        key = row.variant, row.clock_mhz
        tails_ms[key] = max(tails_ms.get(key, 0.0), row.p99_ms)
        raised.append(replace(row, p99_ms=tails_ms[key]))
    return replace(table, rows=tuple(raised))


def cell_of(row: LatencyRow) -> Cell:
    """The cell that a row is of."""
    return Cell(row.variant, row.batch_size, None if row.clock_mhz is None else int(row.clock_mhz))


def write_sources(path: Path, table: LatencyFile, file: SampleFile) -> None:
    """Says of each row where it comes from, and how measured ones spread."""
    clocks_mhz = {cell.clock_mhz for cell in file.samples}
    write_table(
        path,
        MARKS,
        ("variant", "batch_size", "clock_mhz", "source", "latency_spread_ratio", "power_spread_ratio"),
        [
            (row.variant, row.batch_size, f"{row.clock_mhz:g}", *_marks(row, file, clocks_mhz))
            for row in table.rows
        ],
    )  # fmt: skip


def _marks(row: LatencyRow, file: SampleFile, clocks_mhz: set[int | None]) -> tuple[str, str, str]:
    if not row.num_samples:
        return LINE if row.clock_mhz in clocks_mhz else PREDICTED, "", ""
    cell = cell_of(row)
    powers_w = list({one.power_w for one in file.powered[cell]})
    spreads = [
        spread_ratio(values) if values else None for values in (file.samples[cell], powers_w)
    ]
    latency, power = ("" if one is None else f"{one:.4f}" for one in spreads)
    return MEASURED, latency, power
