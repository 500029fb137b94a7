"""Plans three or four devices anew for the streams they share: exactly, as far as it is carried.

Modes are picked by their reduced cost at the prices of the group's own relaxation: together they
may fall short of the relaxation by no more than the present value does, which leaves few
combinations. Hall's theorem then bounds what each could carry, and the best are packed with a bit
set over the loads of all devices but the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..instance import Floats, Ints
from .choices import Carrying, Listed, choices, in_order_of_value, modes_of
from .demand import most_gained
from .packing import pack
from .prices import Market
from .regroup import MIN_GAIN, Group, Regrouper


@dataclass(frozen=True, slots=True)
class Limits:
    """How far to look.

    Attributes:
        listed: choices of modes to look at.
        choices: of these, the most promising ones, which are bounded.
        packings: of these, those that are tried.
        is_all_or_nothing: whether to give up where there are more choices than that.
    """

    listed: int
    choices: int
    packings: int
    is_all_or_nothing: bool = False


USUAL = Limits(listed=1 << 16, choices=4096, packings=8)
THOROUGH = Limits(listed=1 << 15, choices=1 << 15, packings=40, is_all_or_nothing=True)


def regroup_many(
    regrouper: Regrouper,
    market: Market,
    types: Sequence[int],
    streams: Sequence[int],
    value: float,
    start: Floats | None = None,
    limits: Limits = USUAL,
) -> tuple[Group | None, bool]:
    """Returns a better group of these devices that serves all the streams, if there is one.

    Args:
        regrouper: of the instance.
        market: of the instance.
        types: type number of each device, three or four.
        streams: at least one.
        value: to be beaten.
        start: (types,) prices to begin with.
        limits: how far to look.

    Returns:
        The best group found, None if it is not better; and whether it is certain that none is better.
    """
    instance = regrouper.instance
    numbers = np.array(streams, np.int64)
    num_devices = np.bincount(np.array(types), minlength=instance.num_types)
    prices = market.prices(numbers, num_devices, len(streams), start)
    gap = prices.bound - value
    if gap <= MIN_GAIN:
        return None, True
    slots = sorted(types)
    listed: dict[int, tuple[Ints, Floats]] = {}
    for number in set(slots):
        modes, loads, _ = regrouper.columns(number, streams)
        gains = instance.values[modes] - prices.densities[:, None]
        reduced = most_gained(loads, gains, instance.capacities[modes]) - float(
            prices.per_device[number]
        )
        good = reduced >= -gap
        order = np.argsort(-reduced[good], kind="stable")
        listed[number] = modes[good][order], reduced[good][order]
        if not good.any():
            return None, True
    chosen, is_complete = _most_promising(slots, listed, gap, limits)
    if not len(chosen) or (limits.is_all_or_nothing and not is_complete):
        return None, is_complete
    modes, slot_of = in_order_of_value(modes_of(chosen, slots, listed), instance.values)
    fits = instance.fits[numbers]
    carrying = Carrying(fits, instance.weights[numbers], instance.capacities, instance.values)
    bounds, carries_all = carrying.bounds(modes)
    bounds[~carries_all] = -np.inf
    tried = np.flatnonzero(bounds > value + MIN_GAIN)
    best: Group | None = None
    for count, number in enumerate(tried[np.argsort(-bounds[tried], kind="stable")].tolist()):
        if bounds[number] <= value + MIN_GAIN:
            break
        if count == limits.packings:
            is_complete = False
            break
        tried_modes = modes[number]
        packed, is_sure = pack(
            fits[:, tried_modes],
            instance.weights[numbers].tolist(),
            instance.capacities[tried_modes].tolist(),
            instance.values[tried_modes].tolist(),
            value,
        )
        is_complete &= is_sure
        if packed is None:
            continue
        value, places = packed
        members = [[] for _ in slots]  # type: list[list[int]]
        for stream, place in zip(streams, places, strict=True):
            members[int(slot_of[number, place])].append(stream)
        in_slot = np.argsort(slot_of[number])
        best = Group(value, tuple(int(mode) for mode in tried_modes[in_slot]), tuple(members))
    if best is None:
        return None, is_complete
    back = np.argsort(np.argsort(np.array(types), kind="stable"), kind="stable").tolist()
    modes_back = tuple(best.modes[n] for n in back)
    return Group(best.value, modes_back, tuple(best.members[n] for n in back)), is_complete


def _most_promising(
    slots: Sequence[int], listed: Listed, gap: float, limits: Limits
) -> tuple[Ints, bool]:
    """Returns choices that are worth a bound, as positions in the lists, and whether these are all."""
    found = []
    count = 0
    is_complete = True
    for some in choices(slots, listed, gap):
        found.append(some)
        count += len(some)
        if count >= limits.listed:
            is_complete = False
            break
    chosen = np.concatenate(found) if found else np.zeros((0, len(slots)), np.int64)
    if count <= limits.choices:
        return chosen, is_complete
    sums = np.sum([listed[number][1][chosen[:, slot]] for slot, number in enumerate(slots)], axis=0)
    kept = np.argpartition(-sums, limits.choices)[: limits.choices]
    kept.sort()
    return chosen[kept], False
