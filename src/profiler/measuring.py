"""The order of a measurement: rounds over all cells, shuffled, so that drift hits all alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ..core.clock import Clock
from .samples import Cell, SampleFile

VISIT_SAMPLES = 5  # in a row, when a cell's turn comes
WARM_UP = 1  # batches before those find caches cold, which a device that keeps running one variant does not


Run = Callable[[Cell, int, float], list[float]]
"""Runs so many batches of a cell in a row, fewer after a time (ms); returns what each took (ms)."""

Visit = Callable[[SampleFile, Cell, int], None]
"""Takes so many samples of a cell in a row, or fewer."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes:
        num_samples: of each cell.
        limit_ms: after this time only cells without a sample are visited, for one; None for no limit.
        visit_ms: a visit ends after this time, or after two batches, so that slow cells leave time for the others.
        visit_samples: in a row, when a cell's turn comes.
        window_ms: a visit lasts at least this, ...
        rest_ms: ... and begins with a rest.
    """

    num_samples: int
    limit_ms: float | None = None
    visit_ms: float = math.inf
    visit_samples: int = VISIT_SAMPLES
    window_ms: float = 0.0
    rest_ms: float = 0.0

    @property
    def first_samples(self) -> int:
        """Of the visits that tell how long the others will take: one, or a window of them."""
        return self.visit_samples if self.window_ms else 1


def measure(
    visit: Visit,
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
        for cell in _shuffled(lacking, random):
            num_samples = min(amount.visit_samples, amount.num_samples - len(file.samples[cell]))
            if is_over():
                num_samples = 0 if file.samples[cell] else 1
            if num_samples:
                visit(file, cell, num_samples)
                on_visit(cell)


def _shuffled(cells: Sequence[Cell], random: Random) -> list[Cell]:
    """Clocks in any order, and at each of them cells in any order: to change a clock takes time."""
    order = random.sample(cells, len(cells))
    clocks = list(dict.fromkeys(cell.clock_mhz for cell in order))
    return sorted(order, key=lambda cell: clocks.index(cell.clock_mhz))


def visits(run: Run, visit_ms: float) -> Visit:
    """Of a device at its own clock, those of the warm-up left out."""

    def visit(file: SampleFile, cell: Cell, num_samples: int) -> None:
        for one in run(cell, WARM_UP + num_samples, visit_ms)[WARM_UP:]:
            file.add(cell, one)

    return visit
