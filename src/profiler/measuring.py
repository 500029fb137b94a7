"""The order of a measurement: rounds over all cells, shuffled, so that drift hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ..core.clock import Clock
from .samples import Cell, SampleFile


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured.

    Attributes:
        num_samples: of each cell.
        visit_samples: taken in a row when a cell's turn comes.
        visit_warm_up: batches before those, not counted: they find caches cold, which a device
            that keeps running one variant does not.
        limit_ms: after this time no further visit starts; None for no limit.
    """

    num_samples: int
    visit_samples: int = 5
    visit_warm_up: int = 1
    limit_ms: float | None = None


def measure(
    run: Callable[[Cell], None],
    file: SampleFile,
    amount: Amount,
    random: Random,
    clock: Clock,
    on_sample: Callable[[Cell, float], None],
) -> None:
    """Takes samples until every cell has enough, or the time is over.

    Each cell runs once before anything is counted, since a first run allocates memory and chooses
    kernels. If the time is over before a cell was sampled, that first run is its sample.

    Args:
        run: decodes, runs and post-processes one batch of the cell.
        file: takes the samples, and tells which there are already.
        amount: how much.
        random: shuffles each round.
        clock: times the batches.
        on_sample: told of each batch that ran, counted or not, and how long it took (ms).
    """
    start_ms = clock.now_ms()

    def timed(cell: Cell) -> float:
        before_ms = clock.now_ms()
        run(cell)
        duration_ms = clock.now_ms() - before_ms
        on_sample(cell, duration_ms)
        return duration_ms

    def is_over() -> bool:
        return amount.limit_ms is not None and clock.now_ms() - start_ms > amount.limit_ms

    first_ms = {cell: timed(cell) for cell in _shuffled(file.lacking(amount.num_samples), random)}
    while lacking := file.lacking(amount.num_samples):
        for cell in _shuffled(lacking, random):
            if is_over():
                break
            for _ in range(amount.visit_warm_up):
                timed(cell)
            missing = amount.num_samples - len(file.samples[cell])
            for _ in range(min(amount.visit_samples, missing)):
                file.add(cell, timed(cell))
        if is_over():
            break
    for cell, duration_ms in first_ms.items():
        if not file.samples[cell]:
            file.add(cell, duration_ms)


def _shuffled(cells: Sequence[Cell], random: Random) -> list[Cell]:
    return random.sample(cells, len(cells))
