"""The heaviest set of streams that a device can carry, where strict members lower what it carries.

The published dynamic program counts in units of 5 frame/s. Here rates may be any positive numbers:
they are counted in their own greatest common unit where that is not too fine, else rounded up, so
that a limit is never passed. The table's row is one integer whose bit s says whether the total s
can be reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from .capacity import EQUAL_RATIO

# 2^16 units keep a row at 8 KiB; where rates have to be rounded up, one stream loses at most
# 1/65536 of the limit.
MAX_UNITS = 1 << 16
MAX_DENOMINATOR = 1001  # of rates such as 30000/1001 frame/s


def common_unit_fps(rates_fps: Sequence[float]) -> float | None:
    """Returns the largest rate of which every rate is a multiple, or None if there is no simple one."""
    fractions = []
    for rate in set(rates_fps):
        fraction = Fraction(rate).limit_denominator(MAX_DENOMINATOR)
        if not math.isclose(float(fraction), rate, rel_tol=1e-12):
            return None
        fractions.append(fraction)
    if not fractions:
        return None
    denominator = math.lcm(*(fraction.denominator for fraction in fractions))
    numerator = math.gcd(*(int(fraction * denominator) for fraction in fractions))
    return numerator / denominator


def heaviest_subset(
    rates_fps: Sequence[float], limits_fps: Sequence[float], unit_fps: float | None
) -> list[int]:
    """Returns the subset with the largest total rate that its last member allows.

    Among equal totals the one wins whose members come earliest. Takes O(n) operations on rows.

    Args:
        rates_fps: of the streams, most patient first.
        limits_fps: what the device may carry if that stream is the last member; never rises.
        unit_fps: of which every rate is a multiple, or None.

    Returns:
        Indices into `rates_fps`, rising.

    Source: Jellyfish, stream mapping.
    """
    weights, limits = _in_units(rates_fps, limits_fps, unit_fps)
    reachable = [1]  # per row, the totals that the streams before it can make
    best_total = best_row = 0
    for row, (weight, limit) in enumerate(zip(weights, limits, strict=True), 1):
        if limit <= best_total:
            break  # limits never rise
        before = reachable[-1]
        room = limit - weight
        taken = (before & ((1 << (room + 1)) - 1)) << weight if room >= 0 else 0
        reachable.append(before | taken)
        total = taken.bit_length() - 1
        if total > best_total:
            best_total, best_row = total, row
    chosen = []
    total = best_total
    for row in range(best_row, 0, -1):
        if not (reachable[row - 1] >> total) & 1:
            chosen.append(row - 1)
            total -= weights[row - 1]
    return chosen[::-1]


def _in_units(
    rates_fps: Sequence[float], limits_fps: Sequence[float], unit_fps: float | None
) -> tuple[list[int], list[int]]:
    most_fps = min(limits_fps[0], math.fsum(rates_fps))
    if unit_fps is not None and most_fps <= MAX_UNITS * unit_fps:
        weights = [round(rate / unit_fps) for rate in rates_fps]
    else:
        unit_fps = most_fps / MAX_UNITS
        weights = [math.ceil(rate / unit_fps) for rate in rates_fps]
    total = sum(weights)
    # Divisions above round; the set's sum of floats must still stay within the limit.
    safe_fps = unit_fps / (1 - EQUAL_RATIO)
    return weights, [min(total, math.floor(limit / safe_fps)) for limit in limits_fps]
