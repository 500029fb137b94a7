"""From samples to the rows of a profile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from ..core.profile import BatchLatency
from ..zoos import LatencyRow
from .samples import Cell, Powered, Samples

ENOUGH_SAMPLES = 100  # a 99th percentile of fewer is a guess about its largest sample
LEAST_RATIO = 1.05  # of p99 to p50 where it has to be estimated
MOST_RATIO = 1.5  # beyond this it was other programs, not the device
MOST_APART_RATIO = 1.5  # of energy to power by time; readers of profiles take 2
P99_PER_P90 = 2.326 / 1.282  # distances from the median, of a normal distribution


def tail_ratio(samples: Samples) -> float:
    """The ratio of p99 to p50 that all cells together suggest.

    Each sample is divided by the median of its cell. The 90th percentile of all those quotients is
    extrapolated to the 99th as a normal distribution goes, within `LEAST_RATIO` and `MOST_RATIO`: so it stands on
    many samples, and other programs must disturb a tenth of them before it moves. It assumes
    that cells spread alike.
    """
    quotients = [
        value / float(np.median(values)) for values in samples.values() for value in values
    ]
    spread = float(np.quantile(quotients, 0.9)) - 1
    return min(MOST_RATIO, max(LEAST_RATIO, 1 + P99_PER_P90 * spread))


def summarise(
    samples: Samples, most_at_once: Mapping[str, int], clock_mhz: int | None = None
) -> tuple[LatencyRow, ...]:
    """Turns the samples of a clock into the rows of a profile, batch 1 to the most at once of each variant.

    `p50_ms` is the median, lowered to that of the next batch size where noise put it above: fewer
    frames never take longer. `p99_ms` is the 99th percentile (linear interpolation) of cells with at
    least `ENOUGH_SAMPLES` samples, else `p50_ms` times `tail_ratio`; it is raised to that of the batch size
    before where it falls below. A batch size between or beyond the measured ones lies on the
    straight line through its two neighbours, and has 0 samples.

    Args:
        samples: at least one for each cell, batch size 1 of each variant among them.
        most_at_once: by variant, the largest batch of the profile.
        clock_mhz: which clock; cells of others do not count.
    """
    samples = {cell: own for cell, own in samples.items() if cell.clock_mhz == clock_mhz}
    ratio = tail_ratio(samples)
    sizes: dict[str, list[int]] = {}
    for cell in sorted(samples, key=lambda cell: (cell.variant, cell.batch_size)):
        sizes.setdefault(cell.variant, []).append(cell.batch_size)
    rows: list[LatencyRow] = []
    for variant, measured in sizes.items():
        every = range(1, most_at_once[variant] + 1)
        cells = [samples[Cell(variant, size, clock_mhz)] for size in measured]
        medians = _never_falling([float(np.median(values)) for values in cells])
        tails = [
            float(np.quantile(values, 0.99)) if len(values) >= ENOUGH_SAMPLES else ratio * median
            for values, median in zip(cells, medians, strict=True)
        ]
        latency = BatchLatency.monotone(
            tuple(on_line(size, measured, medians) for size in every),
            tuple(on_line(size, measured, tails) for size in every),
        )
        rows += [
            LatencyRow(
                variant=variant,
                batch_size=size,
                p50_ms=latency.p50_ms[size - 1],
                p99_ms=latency.p99_ms[size - 1],
                num_samples=len(samples.get(Cell(variant, size, clock_mhz), ())),
                clock_mhz=clock_mhz,
            )
            for size in every
        ]
    return tuple(rows)


def with_energy(row: LatencyRow, powered: Sequence[Powered]) -> LatencyRow:
    """A row of a profile with the mean power of its batches, by their time, and the median of what one took.

    That is left out where noise put it far from power by `p50_ms`, which then stands for it.
    """
    if not powered:
        return row
    total_mj = sum(one.power_w * one.duration_ms for one in powered)
    power_w = total_mj / sum(one.duration_ms for one in powered)
    energy_mj = float(np.median([one.power_w * one.duration_ms for one in powered]))
    is_far = abs(math.log(energy_mj / (power_w * row.p50_ms))) > math.log(MOST_APART_RATIO)
    return replace(row, power_w=power_w, energy_mj=None if is_far else energy_mj)


def spread_ratio(values: Sequence[float]) -> float:
    """The standard deviation of values over their mean."""
    return float(np.std(values) / np.mean(values))


def _never_falling(values: Sequence[float]) -> list[float]:
    """Lowers each value to the least of those after it."""
    return list(accumulate(reversed(values), min))[::-1]


def on_line(size: int, sizes: Sequence[int], values: Sequence[float]) -> float:
    """The value at `size`: as measured, or on the line through the two nearest measured sizes."""
    if size in sizes:
        return values[sizes.index(size)]
    if len(sizes) == 1:  # nothing is known of the slope: as if frames ran one by one
        return values[0] * size / sizes[0]
    right = min(max(1, int(np.searchsorted(sizes, size))), len(sizes) - 1)
    left = right - 1
    slope = (values[right] - values[left]) / (sizes[right] - sizes[left])
    return max(values[left], values[left] + slope * (size - sizes[left]))
