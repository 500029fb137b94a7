"""Choices of a mode for each of a few devices: all that could beat a plan, and what each could carry.

The prices of a relaxation cost every mode something (its reduced cost); a choice whose modes cost
more together than the relaxation is above the plan cannot be better. Of the others Hall's theorem
tells what they could carry at most if streams could be split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..instance import Bools, Floats, Ints

BLOCK = 1 << 15  # choices worked on at a time
WORD_BITS = 12  # streams looked up at a time

Masks = NDArray[np.int64]  # (..., words) sets of streams
Listed = Mapping[
    int, tuple[Ints, Floats]
]  # modes worth a look of each type, and their reduced values


def choices(slots: Sequence[int], listed: Listed, gap: float) -> Iterator[Ints]:
    """Yields the choices of a listed mode per slot whose reduced values add up to -gap or more.

    Slots of one type choose in rising order, so that no choice is met twice.

    Args:
        slots: type number of each device, rising.
        listed: of each of these types, modes and their reduced values, which must fall.
        gap: at least 0.

    Yields:
        (some choices, slots) positions in the lists.
    """
    best_rest = [float(sum(listed[n][1][0] for n in slots[k + 1 :])) for k in range(len(slots))]
    waiting = [(np.zeros((1, 0), np.int64), np.zeros(1))]
    while waiting:
        chosen, sums = waiting.pop()
        slot = chosen.shape[1]
        if slot == len(slots):
            yield chosen
            continue
        reduced = listed[slots[slot]][1]
        total = sums[:, None] + reduced[None, :]
        allowed = total + best_rest[slot] >= -gap
        if slot and slots[slot - 1] == slots[slot]:
            allowed &= np.arange(len(reduced))[None, :] >= chosen[:, -1:]
        rows, columns = np.nonzero(allowed)
        longer = np.concatenate([chosen[rows], columns[:, None]], axis=1)
        sums = total[rows, columns]
        for start in reversed(range(0, len(sums), BLOCK)):  # the best first
            block = slice(start, start + BLOCK)
            waiting.append((longer[block], sums[block]))


def modes_of(chosen: Ints, slots: Sequence[int], listed: Listed) -> Ints:
    """Returns the modes that positions in the lists stand for, in the order of the slots."""
    return np.stack([listed[n][0][chosen[:, slot]] for slot, n in enumerate(slots)], axis=1)


def in_order_of_value(modes: Ints, values: Floats) -> tuple[Ints, Ints]:
    """Returns each choice with its modes in falling order of value, and whose slot each is."""
    slot_of = np.argsort(-values[modes], axis=1, kind="stable")
    return np.take_along_axis(modes, slot_of, axis=1), slot_of


class Carrying:
    """What modes can carry together of certain streams, if these could be split."""

    def __init__(self, fits: Bools, weights: Ints, capacities: Ints, values: Floats) -> None:
        """Takes the streams and all modes.

        Args:
            fits: (streams, modes).
            weights: (streams,).
            capacities: (modes,).
            values: (modes,) of a unit of weight.
        """
        self._capacities = capacities
        self._values = values
        self.total = int(weights.sum())
        words = range(0, len(weights), WORD_BITS)
        self._sets = np.zeros((fits.shape[1], len(words)), np.int64)
        self._sums: list[Ints] = []  # of each word, the weight of each set of its streams
        for word, start in enumerate(words):
            sums = np.zeros(1, np.int64)
            for bit, weight in enumerate(weights[start : start + WORD_BITS]):
                self._sets[:, word] |= fits[start + bit].astype(np.int64) << bit
                sums = np.concatenate([sums, sums + weight])
            self._sums.append(sums)

    def bounds(self, modes: Ints) -> tuple[Floats, Bools]:
        """Returns what each choice is worth at most, and whether it can carry everybody.

        What the first j modes can carry together is, by Hall's theorem, the least over their
        subsets of its capacity plus the weight of those who fit another of the j. Filling the most
        accurate modes first is optimal, as the loads that can be reached form a polymatroid.

        Args:
            modes: (choices, slots) in falling order of value.
        """
        num_slots = modes.shape[1]
        sets = [self._sets[modes[:, slot]] for slot in range(num_slots)]
        capacity = [self._capacities[modes[:, slot]] for slot in range(num_slots)]
        nothing = np.zeros(len(modes), np.int64)
        weight_of: dict[tuple[int, ...], Ints] = {(): nothing}
        capacity_of: dict[tuple[int, ...], Ints] = {(): nothing}
        unions: dict[tuple[int, ...], Masks] = {(): np.zeros_like(sets[0])}
        for size in range(1, num_slots + 1):
            for some in combinations(range(num_slots), size):
                unions[some] = unions[some[:-1]] | sets[some[-1]]
                capacity_of[some] = capacity_of[some[:-1]] + capacity[some[-1]]
                weight_of[some] = self._weight(unions[some])
        values = np.zeros(len(modes))
        before = nothing
        for count in range(1, num_slots + 1):
            carried = weight_of[tuple(range(count))]
            for size in range(1, count + 1):
                for full in combinations(range(count), size):
                    rest = tuple(slot for slot in range(count) if slot not in full)
                    carried = np.minimum(carried, capacity_of[full] + weight_of[rest])
            values += (carried - before) * self._values[modes[:, count - 1]]
            before = carried
        return values, before == self.total

    def _weight(self, sets: Masks) -> Ints:
        total = self._sums[0][sets[:, 0]]
        for word in range(1, len(self._sums)):
            total = total + self._sums[word][sets[:, word]]
        return total
