"""Streams that are not served yet, worked into a draft."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from .pairs import NEIGHBOURS
from .refill import refill
from .regroup import Group
from .regroup_many import regroup_many
from .working_draft import STEPS_OF_SIZE, WorkingDraft

MAX_FAILED_INSERTIONS = 4  # of streams in a row, lightest first
MAX_OF_KINDS = 2  # pairs of devices alike that are tried, in overload
MAX_THREES = 12  # that are tried, in overload
ROOMIEST = 7  # devices of which threes are tried to make room for a stream


def refill_all(work: WorkingDraft) -> set[int]:
    """Exchanges streams of single devices with those not served; returns the devices changed."""
    changed = set()
    for device, members in enumerate(work.draft.members):
        if work.effort.is_spent or not work.draft.unserved:
            break
        pool = members + work.draft.unserved
        work.effort.spend()
        found = refill(work.instance, work.types[device], pool, len(members), work.values[device])
        if found is not None:
            mode, chosen = found
            gone = set(chosen)
            work.draft.unserved = [stream for stream in pool if stream not in gone]
            work.set(device, mode, chosen)
            changed.add(device)
    return changed


def insert_all(work: WorkingDraft, most_served: int) -> set[int]:
    """Makes room for streams that are not served; returns the devices that it changed.

    Begins with the lightest, and of equals with those that fit most modes.

    Args:
        work: to improve.
        most_served: nobody tries to serve more than that.
    """
    failed: list[int] = []
    changed: set[int] = set()
    choice = work.instance.fits[work.draft.unserved].sum(axis=1).tolist()
    order = sorted(
        (work.weights[stream], -num_modes, stream)
        for stream, num_modes in zip(work.draft.unserved, choice, strict=True)
    )
    for _, _, stream in order:
        if (
            work.effort.is_spent
            or work.num_served >= most_served
            or len(failed) == MAX_FAILED_INSERTIONS
        ):
            break
        if any(_asks_no_less(work, stream, other) for other in failed):
            continue
        devices = _insert(work, stream)
        failed = [] if devices else [*failed, stream]
        changed.update(devices)
    return changed


def _asks_no_less(work: WorkingDraft, stream: int, other: int) -> bool:
    """Whether there is room for a stream only where there is room for the other."""
    fits = work.instance.fits
    return work.weights[stream] >= work.weights[other] and not (fits[stream] & ~fits[other]).any()


def _insert(work: WorkingDraft, stream: int) -> tuple[int, ...]:
    """Serves one more stream with the pair of devices that loses least by it, else with three.

    Returns:
        The devices that it changed; none if there is no room.
    """
    best: tuple[float, tuple[int, int], Group] | None = None
    tried: Counter[tuple[tuple[int, int, int], ...]] = Counter()
    for pair in _roomy_pairs(work):
        if work.effort.is_spent:
            break
        kinds = tuple(map(work.kind, pair))
        tried[kinds] += 1
        if work.is_free_in_overload and tried[kinds] > MAX_OF_KINDS:
            continue
        work.effort.spend()
        value = work.values[pair[0]] + work.values[pair[1]]
        least = work.instance.worthless if best is None else value + best[0]
        group = work.plan_anew(pair, [*work.members_of(pair), stream], least)
        if group is not None:
            best = group.value - value, pair, group
    if best is not None:
        work.draft.unserved.remove(stream)
        work.take(best[1], work.with_fewest_changes(best[1], best[2]))
        return best[1]
    for devices in _roomy_threes(work, stream):
        if work.effort.is_spent:
            break
        work.effort.spend(STEPS_OF_SIZE[3])
        types = [work.types[device] for device in devices]
        streams = [*work.members_of(devices), stream]
        group, _ = regroup_many(
            work.regrouper, work.market, types, streams, work.instance.worthless
        )
        if group is not None:
            work.draft.unserved.remove(stream)
            work.take(devices, work.with_fewest_changes(devices, group))
            return devices
    return ()


def _roomy_pairs(work: WorkingDraft) -> list[tuple[int, int]]:
    """Pairs of devices, best first of those that have accuracy to give away for room."""
    devices = sorted(range(len(work.types)), key=lambda device: -work.values[device])
    return list(combinations(devices[:NEIGHBOURS], 2))


def _roomy_threes(work: WorkingDraft, stream: int) -> list[tuple[int, ...]]:
    """Threes of devices that could carry the stream if they split their loads well."""
    room = [_room(work, device) for device in range(len(work.types))]
    devices = sorted(range(len(room)), key=lambda device: -room[device])[:ROOMIEST]
    threes: list[tuple[int, ...]] = [
        three
        for three in combinations(sorted(devices), 3)
        if sum(room[device] for device in three) >= work.weights[stream]
    ]
    if work.is_free_in_overload:
        threes.sort(key=lambda three: -sum(room[device] for device in three))
        del threes[MAX_THREES:]
    return threes


def _room(work: WorkingDraft, device: int) -> float:
    """What a device could carry more of what its streams are like."""
    instance = work.instance
    members = work.draft.members[device]
    modes = instance.mode_type == work.types[device]
    if members:
        modes = modes & instance.fits[members].all(axis=0)
    load = work.load(device)
    return float(instance.capacities[modes].max(initial=load) - load)
