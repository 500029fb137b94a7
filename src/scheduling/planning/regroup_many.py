"""Plans three or four devices anew for the clients they share: exactly, as far as it is carried.

Modes are picked by their reduced cost at the prices of the group's own relaxation: together they
may fall short of the relaxation by no more than the present value does, which leaves few
combinations. Hall's theorem then bounds what each could carry, and the best are packed with a bit
set over the loads of all devices but the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from .instance import Bools, Floats, Ints
from .prices import Market, most_gained
from .regroup import MIN_GAIN, Group, Regrouper

MAX_COMBINATIONS = 4096  # the most promising ones, where there are more
MAX_PACKINGS = 8
MAX_STATES = 1 << 18  # bits of a packing; finer units of rate than that are not packed here


def regroup_many(
    regrouper: Regrouper,
    market: Market,
    types: Sequence[int],
    clients: Sequence[int],
    value: float,
    start: Floats | None = None,
) -> Group | None:
    """Returns a better group of these devices that serves all the clients.

    Args:
        regrouper: of the instance.
        market: of the instance.
        types: type number of each device, three or four.
        clients: at least one.
        value: to be beaten.
        start: (types,) prices to begin with.

    Returns:
        None if nothing better was found.
    """
    instance = regrouper.instance
    numbers = np.array(clients, np.int64)
    num_devices = np.bincount(np.array(types), minlength=instance.num_types)
    prices = market.prices(numbers, num_devices, len(clients), start)
    gap = prices.bound - value
    if gap <= MIN_GAIN:
        return None
    weights = instance.weights[numbers].astype(np.float64)
    slots = sorted(types)
    listed: dict[int, tuple[Ints, Floats]] = {}
    for number in set(slots):
        modes, loads, _ = regrouper.columns(number, clients)
        gains = instance.accuracies[modes] - prices.densities[:, None]
        reduced = most_gained(loads, gains, instance.capacities[modes]) - float(
            prices.per_device[number]
        )
        good = reduced >= -gap
        order = np.argsort(-reduced[good], kind="stable")
        listed[number] = modes[good][order], reduced[good][order]
        if not good.any():
            return None
    combos = _combinations(slots, listed, gap)
    if not len(combos):
        return None
    modes = np.stack(
        [listed[number][0][combos[:, slot]] for slot, number in enumerate(slots)], axis=1
    )
    # In falling order of accuracy, as the greedy fill needs it; `slot_of` remembers whose it is.
    slot_of = np.argsort(-instance.accuracies[modes], axis=1, kind="stable")
    modes = np.take_along_axis(modes, slot_of, axis=1)
    fits = instance.fits[numbers]
    bounds = _bounds(fits, weights, modes, instance.capacities[modes], instance.accuracies[modes])
    tried = np.flatnonzero(bounds > value + MIN_GAIN)
    best: Group | None = None
    for number in tried[np.argsort(-bounds[tried], kind="stable")][:MAX_PACKINGS].tolist():
        if bounds[number] <= value + MIN_GAIN:
            break
        chosen = modes[number]
        packed = _pack(
            fits[:, chosen],
            instance.weights[numbers].tolist(),
            instance.capacities[chosen].tolist(),
            instance.accuracies[chosen].tolist(),
            value,
        )
        if packed is None:
            continue
        value, places = packed
        members = [[] for _ in slots]  # type: list[list[int]]
        for client, place in zip(clients, places, strict=True):
            members[int(slot_of[number, place])].append(client)
        in_slot = np.argsort(slot_of[number])
        best = Group(value, tuple(int(mode) for mode in chosen[in_slot]), tuple(members))
    if best is None:
        return None
    back = np.argsort(np.argsort(np.array(types), kind="stable"), kind="stable").tolist()
    return Group(
        best.value, tuple(best.modes[n] for n in back), tuple(best.members[n] for n in back)
    )


def _combinations(slots: Sequence[int], listed: dict[int, tuple[Ints, Floats]], gap: float) -> Ints:
    """Choices of a listed mode per slot whose reduced values add up to -gap or more.

    Slots of one type choose in rising order, so that no choice is met twice.

    Returns:
        (choices, slots) positions in the lists; at most MAX_COMBINATIONS of them.
    """
    best_rest = [float(sum(listed[n][1][0] for n in slots[k + 1 :])) for k in range(len(slots))]
    chosen = np.zeros((1, 0), np.int64)
    sums = np.zeros(1)
    for slot, number in enumerate(slots):
        reduced = listed[number][1]
        total = sums[:, None] + reduced[None, :]
        allowed = total + best_rest[slot] >= -gap
        if slot and slots[slot - 1] == number:
            allowed &= np.arange(len(reduced))[None, :] >= chosen[:, -1:]
        rows, columns = np.nonzero(allowed)
        chosen = np.concatenate([chosen[rows], columns[:, None]], axis=1)
        sums = total[rows, columns]
        if len(sums) > MAX_COMBINATIONS:
            kept = np.argpartition(-sums, MAX_COMBINATIONS)[:MAX_COMBINATIONS]
            kept.sort()
            chosen, sums = chosen[kept], sums[kept]
    return chosen


def _bounds(
    fits: Bools, weights: Floats, modes: Ints, capacities: Ints, accuracies: Floats
) -> Floats:
    """The value of each choice if clients could be split; -1 where not all can be served.

    What the first j modes can carry together is, by Hall's theorem, the least over their subsets of
    its capacity plus the weight of those who fit another of the j. Filling the most accurate modes
    first is optimal, as the loads that can be reached form a polymatroid.
    """
    num_slots = modes.shape[1]
    in_mode = [fits[:, modes[:, slot]] for slot in range(num_slots)]
    carried: list[Floats] = []
    weight_of: dict[tuple[int, ...], Floats] = {(): np.zeros(len(modes))}
    for size in range(1, num_slots + 1):
        for others in combinations(range(num_slots), size):
            union = in_mode[others[0]]
            for slot in others[1:]:
                union = union | in_mode[slot]
            weight_of[others] = weights @ union
    for count in range(1, num_slots + 1):
        least = np.full(len(modes), np.inf)
        for size in range(count + 1):
            for full in combinations(range(count), size):
                rest = tuple(slot for slot in range(count) if slot not in full)
                least = np.minimum(least, capacities[:, list(full)].sum(axis=1) + weight_of[rest])
        carried.append(least)
    values = carried[0] * accuracies[:, 0]
    for slot in range(1, num_slots):
        values = values + (carried[slot] - carried[slot - 1]) * accuracies[:, slot]
    return np.where(carried[-1] >= weights.sum() - MIN_GAIN, values, -1.0)


def _pack(
    fits: Bools,
    weights: Sequence[int],
    capacities: Sequence[int],
    accuracies: Sequence[float],
    value: float,
) -> tuple[float, list[int]] | None:
    """Places every client in a mode it fits, at a value above the given one, or returns None.

    A state is the loads of all modes but the last, one bit each in a Python integer.

    Returns:
        The best value, and the mode of each client.
    """
    heaviest = max(weights)
    strides = [1]
    for capacity in capacities[:-1]:
        strides.append(strides[-1] * (capacity + 1 + heaviest))
    if strides[-1] > MAX_STATES:
        return None
    mask = (1 << (capacities[0] + 1)) - 1
    for number, capacity in enumerate(capacities[1:-1], 1):
        mask = sum(mask << (load * strides[number]) for load in range(capacity + 1))
    last = len(capacities) - 1
    reachable = [1]
    for client_fits, weight in zip(fits.tolist(), weights, strict=True):
        bits = reachable[-1] if client_fits[last] else 0
        for slot in range(last):
            if client_fits[slot]:
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
        return None
    rest = states.copy()
    loads = np.zeros((last + 1, len(states)), np.int64)
    for slot in range(last - 1, -1, -1):
        loads[slot], rest = np.divmod(rest, strides[slot])
    loads[last] = total - loads[:last].sum(axis=0)
    values = np.where(loads[last] <= capacities[last], np.array(accuracies) @ loads, -1.0)
    number = int(values.argmax())
    if values[number] <= value + MIN_GAIN:
        return None
    best = float(values[number]), int(states[number])
    state = best[1]
    places = []
    for client in range(len(weights) - 1, -1, -1):
        row = reachable[client]
        for slot in range(last, -1, -1):
            step = 0 if slot == last else weights[client] * strides[slot]
            if fits[client, slot] and state >= step and (row >> (state - step)) & 1:
                places.append(slot)
                state -= step
                break
    return best[0], places[::-1]
