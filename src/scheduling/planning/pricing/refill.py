"""The best mode and streams for one device alone, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..instance import Instance


def refill(
    instance: Instance,
    device_type: int,
    pool: Sequence[int],
    num_served: int = 0,
    value: float = 0.0,
) -> tuple[int, list[int]] | None:
    """Returns mode and streams that serve more than given, or as many at a higher value.

    Serves as many streams as can be, then for as much weight x value as can be. Of streams of
    one weight the earlier ones in the pool are preferred.

    Args:
        instance: the problem.
        device_type: number of the device's type.
        pool: streams to choose from.
        num_served: to be beaten.
        value: to be beaten, weight x value.

    Returns:
        None if nothing is better.
    """
    streams = np.array(pool, np.int64)
    modes = np.flatnonzero(instance.mode_type == device_type)
    if not len(streams) or not len(modes):
        return None
    fits = instance.fits[np.ix_(streams, modes)]
    weights = instance.weights[streams]
    capacities = instance.capacities[modes]
    values = instance.values[modes]

    by_weight = np.argsort(weights, kind="stable")
    sums = np.cumsum(np.where(fits[by_weight], weights[by_weight, None], 0), axis=0)
    most_served = ((sums <= capacities) & fits[by_weight]).sum(axis=0)
    # Where frames cost more than they are worth, at least one unit of them.
    most_value = values * np.where(values >= 0, np.minimum(capacities, sums[-1]), 1)
    best: tuple[int, list[int]] | None = None
    for number in np.lexsort((-most_value, -most_served)):
        if (most_served[number], most_value[number]) <= (num_served, value + 1e-9):
            continue
        fitting, count = by_weight[fits[by_weight, number]], int(most_served[number])
        members = fitting[:count].tolist()
        if values[number] >= 0:
            members = _pack(weights, fitting, int(capacities[number]), count)
        reached = (len(members), float(weights[members].sum()) * float(values[number]))
        if reached > (num_served, value + 1e-9):
            num_served, value = reached
            best = int(modes[number]), [int(streams[member]) for member in members]
    return best


def _pack(weights: np.ndarray, candidates: np.ndarray, capacity: int, count: int) -> list[int]:
    """Returns the `count` candidates with the largest total weight that the capacity allows.

    Bit `k * stride + s` of a row says whether k streams can weigh s together.

    Args:
        weights: of all.
        candidates: numbers into the weights, lightest first; the `count` lightest must fit.
        capacity: bound of the total.
        count: how many to choose.
    """
    items: list[tuple[int, int]] = []
    seen: dict[int, int] = {}
    for candidate in candidates.tolist():
        weight = int(weights[candidate])
        seen[weight] = seen.get(weight, 0) + 1
        if seen[weight] <= count:  # more of one weight cannot be used
            items.append((candidate, weight))
    stride = capacity + 1 + max(weight for _, weight in items)
    row = (1 << (capacity + 1)) - 1
    mask = sum(row << (k * stride) for k in range(count + 1))
    reachable = [1]
    for _, weight in items:
        reachable.append(reachable[-1] | ((reachable[-1] << (stride + weight)) & mask))
    total = ((reachable[-1] >> (count * stride)) & row).bit_length() - 1
    chosen = []
    for number in range(len(items) - 1, -1, -1):
        if not (reachable[number] >> (count * stride + total)) & 1:
            candidate, weight = items[number]
            chosen.append(candidate)
            count, total = count - 1, total - weight
    return chosen[::-1]
