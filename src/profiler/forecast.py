"""About how long a measurement will take, from one visit of the extremes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from .measuring import VISIT_SAMPLES, WARM_UP
from .samples import Cell, Samples
from .statistics import on_line


def extremes(cells: Iterable[Cell]) -> list[Cell]:
    """The smallest and the largest batch of each variant, between which the others lie; once where they are one."""
    by_variant: dict[str, list[Cell]] = {}
    for cell in sorted(cells):
        by_variant.setdefault(cell.variant, []).append(cell)
    return list(dict.fromkeys(own[end] for own in by_variant.values() for end in (0, -1)))


def left_ms(samples: Samples, num_samples: int) -> float:
    """What the batches take that are still to be run (ms), warm-ups included.

    Args:
        samples: those that are there, of the extremes at least; batch sizes between take what lies on the line.
        num_samples: that each cell is to have.
    """
    known: dict[str, dict[int, float]] = {}
    for cell in sorted(samples):
        if samples[cell]:
            medians = known.setdefault(cell.variant, {})
            medians[cell.batch_size] = float(np.median(samples[cell]))
    total_ms = 0.0
    for cell, own in samples.items():
        medians, lacking = known[cell.variant], max(0, num_samples - len(own))
        num_batches = lacking + WARM_UP * math.ceil(lacking / VISIT_SAMPLES)
        total_ms += num_batches * on_line(cell.batch_size, list(medians), list(medians.values()))
    return total_ms


def in_words(duration_ms: float) -> str:
    """A time to the minute."""
    hours, minutes = divmod(max(1, round(duration_ms / 60_000)), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
