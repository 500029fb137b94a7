"""Improves a draft: serves more, then better, a few devices at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .gathering import insert_gathered, regroup_gathered
from .insertions import insert_all, refill_all
from .pairs import regroup_pairs
from .regroup import MIN_GAIN
from .working_draft import WorkingDraft


def settle(work: WorkingDraft, most_served: int, devices: Iterable[int] | None = None) -> None:
    """Serves more, then better, until pairs of devices gain nothing or the effort is spent.

    Args:
        work: to improve.
        most_served: nobody tries to serve more than that.
        devices: those to begin with, if not all.
    """
    dirty = set(range(len(work.types)) if devices is None else devices)
    while not work.effort.is_spent:
        served, value = work.merit
        if work.draft.unserved:
            dirty |= refill_all(work)
            dirty |= insert_all(work, most_served)
            if work.is_free_in_overload:
                insert_gathered(work, most_served)
        regroup_pairs(work, sorted(dirty))
        if work.is_free_in_overload:
            regroup_gathered(work, 2)
        if not work.draft.unserved or work.merit <= (served, value + MIN_GAIN):
            break


def upgrade_all(work: WorkingDraft) -> None:
    """Gives each device the mode worth most that carries its streams, where that gains enough."""
    instance = work.instance
    for device, members in enumerate(work.draft.members):
        if not members:
            continue
        load = work.load(device)
        modes = np.flatnonzero(
            (instance.mode_type == work.types[device])
            & (instance.capacities >= load)
            & instance.fits[members].all(axis=0)
        )
        if not len(modes):
            continue  # the plan in force is that of other budgets
        mode = int(modes[instance.values[modes].argmax()])
        gain = load * float(instance.values[mode]) - work.values[device]
        cost = work.cost([device], [(mode, members)])
        if gain > MIN_GAIN and gain > cost - work.cost(
            [device], [(work.draft.modes[device], members)]
        ):
            work.set(device, mode, members)
