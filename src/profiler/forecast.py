"""About how long a measurement will take, from one visit of the extremes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from .measuring import WARM_UP, Amount
from .samples import Cell, Samples
from .statistics import on_line


def extremes(cells: Iterable[Cell]) -> list[Cell]:
    """The smallest and the largest batch of each variant at the highest clock, between which the others lie; once where they are one."""
    by_variant: dict[str, list[Cell]] = {}
    for cell in _at_highest(cells):
        by_variant.setdefault(cell.variant, []).append(cell)
    return list(dict.fromkeys(own[end] for own in by_variant.values() for end in (0, -1)))


def left_ms(samples: Samples, amount: Amount) -> float:
    """What the batches take that are still to be run (ms), warm-ups and rests included.

    Args:
        samples: those that are there, of the extremes at least; batch sizes between take what lies on the line, and at a lower clock
            all take as much longer as the clock is lower.
        amount: what each cell is to have, and what a visit is.
    """
    known: dict[str, dict[int, float]] = {}
    for cell in _at_highest(samples):
        if samples[cell]:
            medians = known.setdefault(cell.variant, {})
            medians[cell.batch_size] = float(np.median(samples[cell]))
    highest_mhz = max(cell.clock_mhz or 1 for cell in samples)
    total_ms = 0.0
    for cell, own in samples.items():
        medians, lacking = known[cell.variant], max(0, amount.num_samples - len(own))
        batch_ms = on_line(cell.batch_size, list(medians), list(medians.values()))
        batch_ms *= highest_mhz / (cell.clock_mhz or highest_mhz)
        in_window = math.ceil(amount.window_ms / batch_ms) or amount.visit_samples
        num_visits = math.ceil(lacking / min(amount.visit_samples, in_window))
        batches_ms = (lacking + WARM_UP * num_visits) * batch_ms
        total_ms += max(batches_ms, num_visits * amount.window_ms) + num_visits * amount.rest_ms
    return total_ms


def _at_highest(cells: Iterable[Cell]) -> list[Cell]:
    """In order."""
    every = sorted(cells, key=lambda cell: (cell.variant, cell.batch_size, cell.clock_mhz or 0))
    highest_mhz = max(cell.clock_mhz or 0 for cell in every)
    return [cell for cell in every if (cell.clock_mhz or 0) == highest_mhz]


def in_words(duration_ms: float) -> str:
    """A time to the minute."""
    hours, minutes = divmod(max(1, round(duration_ms / 60_000)), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
