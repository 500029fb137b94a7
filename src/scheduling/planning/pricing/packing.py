"""Places streams in the modes of a few devices, each where it fits, at the highest value there is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..instance import Bools, Ints
from .regroup import MIN_GAIN

MAX_STATES = 1 << 18  # bits of a packing
MAX_LISTED_STATES = 2000  # where units of rate are too fine for bits; the most valuable are kept


def pack(
    fits: Bools,
    weights: Sequence[int],
    capacities: Sequence[int],
    worth: Sequence[float],
    value: float,
) -> tuple[tuple[float, list[int]] | None, bool]:
    """Places every stream in a mode it fits, at a value above the given one.

    `worth` is that of a unit of weight in each mode. A state is the loads of all modes but the last, one bit each in a Python integer.

    Returns:
        The best value and the mode of each stream, or None; and whether it is certain that none is better.
    """
    heaviest = max(weights)
    strides = [1]
    for capacity in capacities[:-1]:
        strides.append(strides[-1] * (capacity + 1 + heaviest))
    if strides[-1] > MAX_STATES:
        return _pack_fine(fits, weights, capacities, worth, value)
    mask = (1 << (capacities[0] + 1)) - 1
    for number, capacity in enumerate(capacities[1:-1], 1):
        mask = sum(mask << (load * strides[number]) for load in range(capacity + 1))
    last = len(capacities) - 1
    reachable = [1]
    for stream_fits, weight in zip(fits.tolist(), weights, strict=True):
        bits = reachable[-1] if stream_fits[last] else 0
        for slot in range(last):
            if stream_fits[slot]:
                bits |= reachable[-1] << (weight * strides[slot])
        reachable.append(bits & mask)
    total = sum(weights)
    best: tuple[float, int] | None = None
    states = np.flatnonzero(
        np.unpackbits(
            np.frombuffer(reachable[-1].to_bytes(strides[-1] // 8 + 1, "little"), np.uint8),
            bitorder="little",
        )
    )
    if not len(states):
        return None, True
    rest = states.copy()
    loads = np.zeros((last + 1, len(states)), np.int64)
    for slot in range(last - 1, -1, -1):
        loads[slot], rest = np.divmod(rest, strides[slot])
    loads[last] = total - loads[:last].sum(axis=0)
    values = np.where(loads[last] <= capacities[last], np.array(worth) @ loads, -np.inf)
    number = int(values.argmax())
    if values[number] <= value + MIN_GAIN:
        return None, True
    best = float(values[number]), int(states[number])
    state = best[1]
    places = []
    for stream in range(len(weights) - 1, -1, -1):
        row = reachable[stream]
        for slot in range(last, -1, -1):
            step = 0 if slot == last else weights[stream] * strides[slot]
            if fits[stream, slot] and state >= step and (row >> (state - step)) & 1:
                places.append(slot)
                state -= step
                break
    return (best[0], places[::-1]), True


def _pack_fine(
    fits: Bools,
    weights: Sequence[int],
    capacities: Sequence[int],
    worth: Sequence[float],
    value: float,
) -> tuple[tuple[float, list[int]] | None, bool]:
    """As `pack`, with a list of states, which is cut where it gets long."""
    num_slots = len(capacities)
    strides = np.cumprod([1, *(capacity + 1 for capacity in capacities[:-2])])
    limits, worths = np.array(capacities), np.array(worth)
    order = sorted(range(len(weights)), key=lambda stream: -weights[stream])
    left = sum(weights)
    states = np.zeros((1, num_slots), np.int64)  # loads
    is_complete = True
    origins: list[tuple[Ints, Ints]] = []  # of each state after each stream, state before and slot
    for stream in order:
        left -= weights[stream]
        slots = np.flatnonzero(fits[stream])
        loads = np.repeat(states, len(slots), axis=0)
        taken = np.tile(slots, len(states))
        before = np.repeat(np.arange(len(states)), len(slots))
        loads[np.arange(len(loads)), taken] += weights[stream]
        values = loads @ worths
        good = (loads <= limits).all(axis=1) & (values + left * worths.max() > value + MIN_GAIN)
        kept = np.flatnonzero(good)
        _, firsts = np.unique(loads[kept][:, :-1] @ strides, return_index=True)
        kept = kept[firsts]
        if len(kept) > MAX_LISTED_STATES:
            is_complete = False
            kept = kept[np.argpartition(-values[kept], MAX_LISTED_STATES)[:MAX_LISTED_STATES]]
        states = loads[kept]
        origins.append((before[kept], taken[kept]))
    if not len(states):
        return None, is_complete
    values = states @ worths
    state = int(values.argmax())
    best = float(values[state])
    places = [0] * len(weights)
    for stream, (before, taken) in zip(reversed(order), reversed(origins), strict=True):
        places[stream] = int(taken[state])
        state = int(before[state])
    return (best, places), is_complete
