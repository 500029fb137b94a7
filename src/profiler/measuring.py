"""The order of a measurement: rounds over all cells, shuffled, so that drift hits all alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ..core.clock import Clock
from .samples import Cell, SampleFile

VISIT_SAMPLES = 5  # in a row, when a cell's turn comes
WARM_UP = 1  # batches before those find caches cold, which a device that keeps running one variant does not


Run = Callable[[Cell, int, float], list[float]]
"""Runs so many batches of a cell in a row, fewer after a time (ms); returns what each took (ms)."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes:
        num_samples: of each cell.
        limit_ms: after this time only cells without a sample are visited, for one; None for no limit.
        visit_ms: a visit ends after this time, or after two batches, so that slow cells leave time for the others.
    """

    num_samples: int
    limit_ms: float | None = None
    visit_ms: float = math.inf


def measure(
    run: Run,
    file: SampleFile,
    amount: Amount,
    random: Random,
    clock: Clock,
    on_visit: Callable[[Cell], None],
) -> None:
    """Takes samples until every cell has enough, or the time is over and each has one."""
    start_ms = clock.now_ms()

    def is_over() -> bool:
        return amount.limit_ms is not None and clock.now_ms() - start_ms > amount.limit_ms

    while lacking := file.lacking(1 if is_over() else amount.num_samples):
        for cell in random.sample(lacking, len(lacking)):
            num_samples = min(VISIT_SAMPLES, amount.num_samples - len(file.samples[cell]))
            if is_over():
                num_samples = 0 if file.samples[cell] else 1
            if num_samples:
                visit(run, file, cell, num_samples, amount.visit_ms)
                on_visit(cell)


def visit(run: Run, file: SampleFile, cell: Cell, num_samples: int, visit_ms: float) -> None:
    """Takes samples of one cell in a row, those of the warm-up left out."""
    for one in run(cell, WARM_UP + num_samples, visit_ms)[WARM_UP:]:
        file.add(cell, one)
