"""Pairs of devices, planned anew until no pair gains."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from random import Random

from ..capacity import EQUAL_RATIO
from .regroup import MIN_GAIN
from .working_draft import WorkingDraft

NEIGHBOURS = 24  # with how many others a device is regrouped, where there are more
MAX_FAILED_OF_KINDS = (
    2  # pairs of devices alike, in overload: gathering makes the best of each kind
)


def regroup_pairs(work: WorkingDraft, devices: Iterable[int]) -> None:
    """Regroups these devices with others, and those that this changes, until nothing is gained."""
    queue = deque((one, other) for one in devices for other in partners(work, one))
    queued = set(queue)
    failed: Counter[tuple[tuple[int, int, int], ...]] = Counter()
    while queue and not work.effort.is_spent:
        pair = queue.popleft()
        queued.discard(pair)
        if not work.is_free_in_overload:
            if not work.regroup(pair):
                continue
        else:
            kinds = tuple(sorted(map(work.kind, pair)))
            if failed[kinds] == MAX_FAILED_OF_KINDS:
                continue
            if not work.regroup(pair):
                failed[kinds] += 1
                continue
        for device in pair:
            for partner in partners(work, device):
                if partner not in pair and (device, partner) not in queued:
                    queue.append((device, partner))
                    queued.add((device, partner))


def shake(work: WorkingDraft, random: Random) -> None:
    """Splits the streams of pairs otherwise, at no loss, so that other exchanges open up."""
    devices = list(range(len(work.types)))
    random.shuffle(devices)
    for pair in zip(devices[::2], devices[1::2], strict=False):
        one, other = sorted(pair)
        streams = work.members_of((one, other))
        if not streams:
            continue
        random.shuffle(streams)
        work.effort.spend()
        value = work.values[one] + work.values[other]
        least = value * (1 - math.copysign(EQUAL_RATIO, value)) - MIN_GAIN
        group = work.plan_anew((one, other), streams, least)
        if group is not None:
            work.take((one, other), group)
    regroup_pairs(work, range(len(work.types)))


def partners(work: WorkingDraft, device: int) -> list[int]:
    """The other devices; where there are many, some evenly spread ones."""
    count = len(work.types)
    if count <= NEIGHBOURS + 1:
        return [other for other in range(count) if other != device]
    step = count // NEIGHBOURS
    return [(device + step * number) % count for number in range(1, NEIGHBOURS)]
