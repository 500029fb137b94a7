"""Threes and fours of devices, planned anew, and small fleets all at once."""

from __future__ import annotations

from itertools import combinations

from .pairs import regroup_pairs
from .regroup import MIN_GAIN
from .regroup_many import THOROUGH, regroup_many
from .working_draft import WorkingDraft

LARGER_SIZES = (3, 4)
MOST_WASTEFUL = 12  # devices of which larger groups are made
STEPS_OF_ALL = 100


def regroup_larger(work: WorkingDraft, bound: float) -> None:
    """Regroups three and four devices at a time, those first that waste most.

    Args:
        work: to improve.
        bound: of the value of any plan that serves as many; at the bound there is nothing to do.
    """
    for size in LARGER_SIZES:
        improved = True
        while improved and work.value < bound - MIN_GAIN:
            improved = False
            for devices in _wasteful_groups(work, size):
                if work.effort.is_spent:
                    return
                if work.regroup(devices):
                    improved = True
                    regroup_pairs(work, devices)
                    break


def regroup_all(work: WorkingDraft) -> bool:
    """Plans all devices anew for the streams they serve; tells whether no plan for these is better."""
    devices = range(len(work.types))
    streams = work.members_of(devices)
    if not streams:
        return False
    work.effort.spend(STEPS_OF_ALL)
    group, is_complete = regroup_many(
        work.regrouper, work.market, work.types, streams, work.value, None, THOROUGH
    )
    if group is not None:
        work.take(devices, group)
    return is_complete


def _wasteful_groups(work: WorkingDraft, size: int) -> list[tuple[int, ...]]:
    """Groups of devices, by what they fall short of the prices at which all would break even."""
    served = sorted(work.members_of(range(len(work.types))))
    if len(work.types) < size or not served:
        return []
    prices = work.prices_of(served, len(served))
    work.group_prices = prices.per_device
    density = dict(zip(served, prices.densities.tolist(), strict=True))
    waste = [
        float(prices.per_device[number])
        + sum(density[stream] * work.weights[stream] for stream in members)
        - value
        for number, members, value in zip(work.types, work.draft.members, work.values, strict=True)
    ]
    order = sorted(range(len(waste)), key=lambda device: -waste[device])[:MOST_WASTEFUL]
    groups = combinations(sorted(order), size)
    return sorted(groups, key=lambda group: -sum(waste[device] for device in group))
