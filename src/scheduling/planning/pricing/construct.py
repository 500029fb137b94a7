"""Builds a plan device by device, along the prices of the relaxation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ....core.mode import Mode
from ....core.plan import DevicePlan, Plan
from ..capacity import idle_mode
from ..effort import Effort
from ..instance import OWN_CLOCK, Instance, Ints
from .prices import Market, Prices
from .refill import refill

# Above so many free devices, several are settled between two looks at the prices: those that streams
# fill who prefer one and the same mode, at most half of the free ones; else some of the best.
MANY_DEVICES = 24
MANY_RATIO = 1 / 12
HURRIED_RATIO = 1 / 2  # once the time is up
FULL_RATIO = 0.995
WINDOW = 24  # streams looked at beyond those that would fill a device in order


@dataclass(slots=True)
class Draft:
    """A plan in the making.

    Attributes:
        modes: per device; any mode of its type while it has no streams.
        members: per device, its streams.
        unserved: streams on no device.
        changed: devices that differ from the plan in force, where there is one.
    """

    modes: list[int]
    members: list[list[int]]
    unserved: list[int]
    changed: set[int] = field(default_factory=set)


def empty_draft(instance: Instance) -> Draft:
    """Returns the draft that serves nobody."""
    first = [int(np.flatnonzero(instance.mode_type == number)[0]) for number in instance.types]
    return Draft(first, [[] for _ in first], list(range(instance.num_streams)))


def to_plan(instance: Instance, draft: Draft, previous: Plan | None) -> Plan:
    """Returns the plan that a draft stands for.

    Each batch is the largest that keeps all budgets. Devices without streams keep their variant, at the lowest clock where joules
    count.
    """
    problem = instance.problem
    ids = [stream.stream_id for stream in problem.streams]
    placement: dict[str, str | None] = dict.fromkeys(ids, None)
    running = (
        {device.device_id: device.mode.variant for device in previous.devices} if previous else {}
    )
    devices = []
    for device, mode, members in zip(problem.devices, draft.modes, draft.members, strict=True):
        if not members:
            kept = running.get(device.device_id, 0)
            variant = kept if 0 <= kept < len(problem.variants) else 0
            idle = idle_mode(problem, device.device_type, variant)
            devices.append(DevicePlan.of(device.device_id, idle))
            continue
        for stream in members:
            placement[ids[instance.streams[stream]]] = device.device_id
        devices.append(DevicePlan.of(device.device_id, _best_mode(instance, mode, members)))
    return Plan(tuple(devices), placement)


def _best_mode(instance: Instance, mode: int, members: Sequence[int]) -> Mode:
    """Of the modes of one's variant and type that carry these streams the one worth most, of these the largest batch."""
    alike = np.flatnonzero(
        (instance.mode_type == instance.mode_type[mode])
        & (instance.mode_variant == instance.mode_variant[mode])
        & (instance.capacities >= instance.weights[members].sum())
    )
    alike = alike[instance.fits[members][:, alike].all(axis=0)]
    best = alike[np.lexsort((instance.mode_batch[alike], instance.values[alike]))[-1]]
    clock_mhz = float(instance.mode_clock[best])
    return Mode(
        int(instance.mode_variant[best]),
        int(instance.mode_batch[best]),
        None if clock_mhz == OWN_CLOCK else clock_mhz,
    )


def construct(
    instance: Instance,
    market: Market,
    num_served: int,
    effort: Effort,
    detour: tuple[int, int] | None = None,
) -> Draft:
    """Builds a draft that serves up to about that many streams, at a high accuracy.

    Args:
        instance: the problem.
        market: its prices.
        num_served: how many streams can be served at most.
        effort: once its time is up, many devices are settled at a time.
        detour: at which step, and how many of the best modes to pass over there; gives drafts that
            differ.
    """
    draft = empty_draft(instance)
    free = [
        [int(device) for device in np.flatnonzero(instance.types == number)][::-1]
        for number in range(instance.num_types)
    ]
    left = np.arange(instance.num_streams)
    start = None
    step = 0
    while len(left) and any(free):
        num_free = np.array([len(devices) for devices in free])
        if num_free.sum() == 1:
            device_type = int(num_free.argmax())
            found = refill(instance, device_type, left.tolist())
            columns = [found] if found else []
        else:
            num_served = min(num_served, len(left))
            prices = market.prices(left, num_free, num_served, start) if num_served > 0 else None
            if prices is not None and prices.is_short:
                num_served = min(num_served, market.most_served(left, num_free))
                prices = market.prices(left, num_free, num_served) if num_served > 0 else None
            if prices is None:
                break
            start = prices.per_device
            columns = []
            if num_free.sum() > MANY_DEVICES:
                columns = _full_columns(instance, left, prices, num_free)
            if not columns:
                passed = detour[1] if detour is not None and detour[0] == step else 0
                ratio = MANY_RATIO if effort.allows_ms(0) else HURRIED_RATIO
                columns = _best_columns(instance, left, prices, num_free, passed, ratio)
                step += 1
        if not columns:
            break
        taken: list[int] = []
        for mode, members in columns:
            device = free[int(instance.mode_type[mode])].pop()
            draft.modes[device], draft.members[device] = mode, members
            taken += members
        num_served -= len(taken)
        left = np.setdiff1d(left, taken, assume_unique=True)
    draft.unserved = left.tolist()
    return draft


def _full_columns(
    instance: Instance, left: Ints, prices: Prices, num_free: Ints
) -> list[tuple[int, list[int]]]:
    """Modes and members for devices that streams who prefer the same mode can fill."""
    modes = prices.modes[prices.served]
    columns: list[tuple[int, list[int]]] = []
    room = np.maximum(num_free // 2, 1)
    is_taken = np.zeros(instance.num_streams, np.bool_)
    for mode in np.unique(modes):
        queue = left[prices.served[modes == mode]]
        queue = queue[np.argsort(-instance.weights[queue], kind="stable")]
        capacity = int(instance.capacities[mode])
        number = int(instance.mode_type[mode])
        enough = capacity // int(instance.weights[queue].min()) + WINDOW + 1
        while len(queue) and room[number]:
            members, load = fill(instance, queue[:enough].tolist(), capacity)
            if load < FULL_RATIO * capacity:
                break
            columns.append((int(mode), members))
            is_taken[members] = True
            queue = queue[~is_taken[queue]]
            room[number] -= 1
    return columns


def _best_columns(
    instance: Instance, left: Ints, prices: Prices, num_free: Ints, skipped: int, ratio: float
) -> list[tuple[int, list[int]]]:
    """The modes that lose least against the prices, with streams that fill them; mostly one.

    Args:
        instance: the problem.
        left: streams to place.
        prices: theirs.
        num_free: (types,) devices to settle.
        skipped: how many of the best modes to pass over.
        ratio: which share of many devices to settle at these prices.
    """
    candidates = np.unique(prices.modes[prices.served])
    candidates = candidates[num_free[instance.mode_type[candidates]] > 0]
    if not len(candidates):
        return []
    per_device = prices.per_device[instance.mode_type[candidates]]
    streams = left[prices.served]
    capacities = instance.capacities[candidates]
    weights = instance.weights[streams].astype(np.float64)
    offered = instance.values[candidates] - per_device / capacities
    losses = prices.densities[prices.served, None] - offered
    losses = np.where(instance.fits[np.ix_(streams, candidates)], losses, np.inf)
    patience = instance.mode_batch[prices.modes[prices.served]]
    # Those who lose least come first, and of them the strict ones: others can wait for other modes.
    order = np.lexsort((np.broadcast_to(patience[:, None], losses.shape), losses), axis=0)
    sorted_losses = np.take_along_axis(losses, order, axis=0)
    sorted_weights = np.where(np.isfinite(sorted_losses), weights[order], np.inf)
    loads = np.cumsum(sorted_weights, axis=0)
    inside = loads <= capacities
    lost = np.where(inside, np.where(inside, sorted_losses, 0) * weights[order], 0).sum(axis=0)
    lost += per_device * (1 - np.where(inside, loads, 0).max(axis=0, initial=0) / capacities)
    wanted = max(int(num_free.sum() * ratio), 1) if num_free.sum() > MANY_DEVICES else 1
    ranks = np.argsort(lost, kind="stable")
    free = num_free.copy()
    of_each = -(-wanted // len(ranks))
    is_taken = np.zeros(instance.num_streams, np.bool_)
    columns: list[tuple[int, list[int]]] = []
    for rank in ranks[min(skipped, len(ranks) - 1) :].tolist():
        mode = int(candidates[rank])
        if not free[instance.mode_type[mode]]:
            continue
        queue = streams[order[np.isfinite(sorted_losses[:, rank]), rank]]
        enough = int(capacities[rank] // weights.min()) + WINDOW + 1  # streams to look at
        for _ in range(min(of_each, wanted - len(columns), int(free[instance.mode_type[mode]]))):
            queue = queue[~is_taken[queue]]
            members, _ = fill(instance, queue[:enough].tolist(), int(capacities[rank]))
            if not members:
                break
            columns.append((mode, members))
            is_taken[members] = True
            free[instance.mode_type[mode]] -= 1
        if len(columns) == wanted:
            break
    return columns


def fill(instance: Instance, queue: Sequence[int], capacity: int) -> tuple[list[int], int]:
    """Returns a set that fills the capacity as well as those first in the queue can, and its load."""
    weights = instance.weights
    mask = (1 << (capacity + 1)) - 1
    reachable = [1]
    load = 0
    extra = 0
    for stream in queue:
        weight = int(weights[stream])
        load += weight
        reachable.append(reachable[-1] | ((reachable[-1] << weight) & mask))
        extra += load > capacity
        if extra > WINDOW or (extra and (reachable[-1] >> capacity) & 1):
            break
    best = total = reachable[-1].bit_length() - 1
    members = []
    for number in range(len(reachable) - 2, -1, -1):
        if not (reachable[number] >> total) & 1:
            members.append(queue[number])
            total -= int(weights[queue[number]])
    return members[::-1], best
