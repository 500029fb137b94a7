"""From a latency profile with clocks or energy to a table of modes: holes filled, energy smoothed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from scipy.optimize import isotonic_regression

from ..core.mode import ModeTable, Rows
from ..core.variant import Variant
from .latency import MAX_LATENCY_MS, LatencyFile, LatencyRow, mode_table
from .prediction import LATENCY, POWER, Floats, Surface

_Cell = tuple[float | None, int]  # clock, batch size
TAIL_SPREADS = 2.326  # from the median to p99, of a normal distribution


def smoothed(frame_mj: Floats) -> Floats:
    """Energy per frame of batch 1, 2, ... as modes are compared by: no single noisy cell attracts, and it never rises.

    First each is replaced by the median of itself and its neighbours, the first raised to the second, the last to the line
    through the two before: else one cell that is far too low began a step of the isotonic regression, and still attracted.
    """
    middle = frame_mj.copy()
    if len(frame_mj) > 2:  # noqa: PLR2004 there are cells between neighbours
        middle[1:-1] = np.median([frame_mj[:-2], frame_mj[1:-1], frame_mj[2:]], axis=0)
        middle[0] = max(middle[0], middle[1])
        middle[-1] = max(middle[-1], 2 * middle[-2] - middle[-3])
    return np.asarray(isotonic_regression(middle, increasing=False).x)


def filled(file: LatencyFile, clocks_mhz: Sequence[float] = ()) -> LatencyFile:
    """The file with a row for each variant, clock and batch size up to the variant's largest; new ones have 0 samples.

    Clocks are those of its rows, or others that have them among them.

    What is missing is predicted from the variant's other cells. The p99 of such a cell is as far above its median as theirs
    are, and by the spread of the prediction. If any row has energy all have it then.
    """
    rows: list[LatencyRow] = []
    for variant in dict.fromkeys(row.variant for row in file.rows):
        some = [row for row in file.rows if row.variant == variant]
        sizes = range(1, max(row.batch_size for row in some) + 1)
        some = _with_latency(some, [*product(clocks_mhz or file.clocks_mhz or (None,), sizes)])
        rows += _with_power(some) if file.has_energy else some
    return replace(file, rows=tuple(rows))


def _with_latency(rows: Sequence[LatencyRow], cells: Sequence[_Cell]) -> list[LatencyRow]:
    """The rows of these cells, of one variant."""
    by_cell: dict[_Cell, LatencyRow] = {(row.clock_mhz, row.batch_size): row for row in rows}
    holes = [cell for cell in cells if cell not in by_cell]
    if holes:
        p50_ms = np.array([row.p50_ms for row in rows])
        p99_ms = np.array([row.p99_ms for row in rows])
        found = Surface(LATENCY, *_places(by_cell), p50_ms).at(*_places(holes))
        tail = np.median(np.log(p99_ms / p50_ms))
        ratios = np.exp(np.hypot(tail, TAIL_SPREADS * found.spread))
        tails_ms = np.minimum(MAX_LATENCY_MS, found.middle * ratios).tolist()
        middles_ms = np.minimum(MAX_LATENCY_MS, found.middle).tolist()
        for cell, middle_ms, tail_ms in zip(holes, middles_ms, tails_ms, strict=True):
            clock_mhz, size = cell
            by_cell[cell] = LatencyRow(rows[0].variant, size, middle_ms, tail_ms, 0, clock_mhz)
    return [by_cell[cell] for cell in cells]


def _with_power(rows: Sequence[LatencyRow]) -> list[LatencyRow]:
    """The rows of one variant, those without energy with the power that is predicted of them."""
    cells = [(row.clock_mhz, row.batch_size) for row in rows]
    power_w = np.array([(row.batch_mj or math.nan) / row.p50_ms for row in rows])
    holes = np.isnan(power_w)
    if holes.any():
        n, clocks_mhz = _places(cells)
        known = Surface(POWER, n[~holes], clocks_mhz[~holes], power_w[~holes])
        power_w[holes] = known.at(n[holes], clocks_mhz[holes]).middle
    return [
        replace(row, power_w=float(watts)) if is_hole else row
        for row, watts, is_hole in zip(rows, power_w, holes, strict=True)
    ]


def _places(cells: Iterable[_Cell]) -> tuple[Floats, Floats]:
    """Batch sizes and clocks; the device's own counts as one."""
    clocks_mhz, n = zip(
        *((clock_mhz or 1.0, float(size)) for clock_mhz, size in cells), strict=True
    )
    return np.array(n), np.array(clocks_mhz)


def clock_table(file: LatencyFile, variants: Sequence[Variant], max_batch: int) -> ModeTable:
    """What the modes of these variants cost at each clock of the file, with energy if it has any.

    Raises:
        UsageError: if a variant was not profiled.
    """
    file = filled(file)

    def at(clock_mhz: float | None) -> ModeTable:
        part = replace(file, rows=tuple(one for one in file.rows if one.clock_mhz == clock_mhz))
        table = mode_table(part.profile(), variants, max_batch)
        energies = [
            np.array([one.batch_mj for one in part.rows if one.variant == variant.name])
            for variant in variants
            if part.rows[0].batch_mj is not None
        ]
        frames = [smoothed(row / np.arange(1, len(row) + 1)) for row in energies]
        above_idle = []
        if file.idle_w:
            above_idle = [
                smoothed(above_idle_mj(row, table, number, file.idle_w[0]))
                for number, row in enumerate(energies)
            ]
        return replace(
            table,
            energy_rows_mj=_rows(energies, max_batch),
            frame_energy_rows_mj=_rows(frames, max_batch),
            clock_mhz=clock_mhz,
            above_idle_rows_mj=_rows(above_idle, max_batch),
            idle_w=file.idle_w[0] if above_idle else None,
        )

    tables = tuple(at(clock_mhz) for clock_mhz in file.clocks_mhz) or (at(None),)
    own = replace(tables[-1], clock_mhz=None)
    return replace(own, by_clock=tables if file.clocks_mhz else ())


def above_idle_mj(batches_mj: Floats, table: ModeTable, variant: int, idle_w: float) -> Floats:
    """What a frame of batch 1, 2, ... takes above what the device draws while nothing runs; at least a thousandth of all."""
    sizes = np.arange(1, len(batches_mj) + 1)
    p50_ms = np.array([cost.p50_ms for cost in table.costs(variant)])
    above_mj = np.maximum(
        batches_mj[: len(p50_ms)] - idle_w * p50_ms, batches_mj[: len(p50_ms)] / 1000
    )
    return np.asarray(above_mj / sizes[: len(p50_ms)])


def _rows(values: Sequence[Floats], most: int) -> Rows:
    return tuple(tuple(row[:most].tolist()) for row in values)
