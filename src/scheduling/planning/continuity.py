"""Keeps a new plan close to the one in force."""

from __future__ import annotations

import numpy as np

from ...core.plan import Plan
from .instance import Instance
from .pricing.construct import Draft, empty_draft

LOAD_COST = 1000.0  # of a variant that has to be loaded, against one stream that moves


def continued(instance: Instance, previous: Plan) -> Draft:
    """Returns the draft that keeps variants, and streams on their devices, where that still fits."""
    draft = empty_draft(instance)
    problem = instance.problem
    number_of = {device.device_id: number for number, device in enumerate(problem.devices)}
    running = {device.device_id: device for device in previous.devices}
    members: list[list[int]] = [[] for _ in problem.devices]
    unserved = []
    for stream, index in enumerate(instance.streams.tolist()):
        place = previous.placement.get(problem.streams[index].stream_id)
        if place in number_of:
            members[number_of[place]].append(stream)
        else:
            unserved.append(stream)
    for device_id, number in number_of.items():
        before = running.get(device_id)
        lane = np.flatnonzero(
            (instance.mode_type == instance.types[number])
            & (instance.mode_variant == (before.mode.variant if before else 0))
        )
        if not len(lane):
            unserved += members[number]
            draft.changed.add(number)
            continue
        kept, mode = _keep(instance, lane.tolist(), members[number])
        draft.modes[number], draft.members[number] = mode, kept
        if len(kept) < len(members[number]):
            draft.changed.add(number)
            gone = set(kept)
            unserved += [stream for stream in members[number] if stream not in gone]
    draft.unserved = sorted(unserved)
    return draft


def _keep(instance: Instance, lane: list[int], members: list[int]) -> tuple[list[int], int]:
    """Returns as many of the members as one mode of the lane carries, and the mode."""
    carries_all = instance.fits[np.ix_(members, lane)].all(axis=0) & (
        instance.capacities[lane] >= instance.weights[members].sum()
    )
    if carries_all.any():
        ordered = sorted(members, key=lambda stream: (instance.weights[stream], stream))
        worth = np.where(carries_all, instance.values[lane], -np.inf)
        return ordered, lane[int(worth.argmax())]
    best: tuple[list[int], int] = [], lane[0]
    for mode in lane:
        fitting = [stream for stream in members if instance.fits[stream, mode]]
        fitting.sort(key=lambda stream: (instance.weights[stream], stream))
        loads = np.cumsum(instance.weights[fitting])
        kept = fitting[: int(np.searchsorted(loads, instance.capacities[mode], side="right"))]
        if len(kept) > len(best[0]):
            best = kept, mode
    return best


def align(instance: Instance, draft: Draft, previous: Plan) -> None:
    """Exchanges devices of one type so that fewest variants are loaded, then fewest streams move."""
    problem = instance.problem
    running = {device.device_id: device.mode.variant for device in previous.devices}
    ids = [device.device_id for device in problem.devices]
    places = [
        previous.placement.get(problem.streams[index].stream_id)
        for index in instance.streams.tolist()
    ]
    modes, members = list(draft.modes), list(draft.members)
    for number in range(instance.num_types):
        devices = np.flatnonzero(instance.types == number).tolist()
        if len(devices) == 1:
            continue
        column_of = {ids[device]: column for column, device in enumerate(devices)}
        variants = np.array([running.get(ids[device], -1) for device in devices])
        costs = np.zeros((len(devices), len(devices)))
        for row, device in enumerate(devices):
            if not members[device]:
                continue
            costs[row] = LOAD_COST * (variants != instance.mode_variant[modes[device]])
            for stream in members[device]:
                column = column_of.get(places[stream] or "")
                if column is not None:
                    costs[row, column] -= 1.0
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - see registry.preload

        rows, columns = linear_sum_assignment(costs)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            draft.modes[devices[column]] = modes[devices[row]]
            draft.members[devices[column]] = members[devices[row]]
