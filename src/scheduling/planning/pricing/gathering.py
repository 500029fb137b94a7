"""Gathers the streams that fit most on a few devices, at no loss, so that these devices can do better.

Streams of one weight may change places: each device keeps its mode and its load. All devices but a
chosen few take those who fit least of what they need, the most demanding device first; what is left
comes together on the chosen ones, which are planned anew for them. Streams that are not served take the
places of others of their weight that fit less.

Devices of one mode with as many streams of each weight are alike here, so there are few choices to
try. Where everybody who fits a mode fits the less demanding ones too, all find a place; a choice at
which somebody does not is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from ..instance import Ints
from .regroup import Group
from .working_draft import STEPS_OF_SIZE, WorkingDraft

DEVICES_A_STEP = (
    16  # among which streams change places in the time of planning a pair anew, measured
)
INSERTION_SIZES = (2, 3)  # devices that make room for a stream
MOST_WASTEFUL = 12  # devices of which threes are made
MAX_THREES = 12  # that are tried to make room


@dataclass(frozen=True, slots=True)
class Gathered:
    """Some devices, and whom to plan them for.

    Attributes:
        devices: the chosen ones.
        streams: whom they would serve.
        others: streams of the other devices.
    """

    devices: tuple[int, ...]
    streams: list[int]
    others: dict[int, list[int]]

    def take(self, work: WorkingDraft, group: Group) -> None:
        """Changes a draft to this, with that group for the chosen devices."""
        for device, members in self.others.items():
            if set(members) != set(work.draft.members[device]):
                work.set(device, work.draft.modes[device], members)
        work.take(self.devices, group)
        is_served = np.zeros(work.instance.num_streams, np.bool_)
        is_served[work.members_of(range(len(work.types)))] = True
        work.draft.unserved = np.flatnonzero(~is_served).tolist()


def regroup_gathered(work: WorkingDraft, size: int) -> None:
    """Gathers on so many devices and plans them anew, until none gain.

    Args:
        work: to improve; not a plan in force, as streams of other devices move without a gain.
        size: two, three or four devices.
    """
    improved = True
    while improved:
        improved = False
        for gathered in _gather(work, size):
            if work.effort.is_spent:
                return
            work.effort.spend(STEPS_OF_SIZE[size])
            value = sum(work.values[device] for device in gathered.devices)
            group = work.plan_anew(gathered.devices, gathered.streams, value)
            if group is not None:
                gathered.take(work, group)
                improved = True
                break


def insert_gathered(work: WorkingDraft, most_served: int) -> None:
    """Serves more streams, the lightest first, while two or three devices make room.

    Args:
        work: to improve; not a plan in force.
        most_served: nobody tries to serve more than that.
    """
    while work.draft.unserved and work.num_served < most_served and not work.effort.is_spent:
        lightest = min(work.weights[stream] for stream in work.draft.unserved)
        if not any(_insert(work, size, lightest) for size in INSERTION_SIZES):
            break


def _insert(work: WorkingDraft, size: int, weight: int) -> bool:
    """Serves one more stream of a weight with the pair that loses least by it, or with some three."""
    best: tuple[float, Gathered, Group] | None = None
    for gathered in islice(_gather(work, size, weight), MAX_THREES if size > 2 else None):  # noqa: PLR2004
        if work.effort.is_spent:
            break
        work.effort.spend(STEPS_OF_SIZE[size])
        value = sum(work.values[device] for device in gathered.devices)
        least = work.instance.worthless if best is None else value + best[0]
        group = work.plan_anew(gathered.devices, gathered.streams, least)
        if group is None:
            continue
        best = group.value - value, gathered, group
        if size > 2:  # noqa: PLR2004
            break
    if best is None:
        return False
    best[1].take(work, best[2])
    return True


def _gather(work: WorkingDraft, size: int, one_more: int | None = None) -> Iterator[Gathered]:
    """Yields what can be gathered on so many devices: threes that waste most first, else those worth most.

    Args:
        work: must not change meanwhile.
        size: how many devices.
        one_more: weight of one stream that comes in addition, if given.
    """
    streams = _Streams(work, one_more)
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    is_by_waste = one_more is None and size > 2  # noqa: PLR2004
    rank = streams.wastes if is_by_waste else dict(enumerate(work.values))
    for device in sorted(streams.devices, key=lambda device: (-rank[device], device)):
        some = alike[*work.kind(device), *streams.counts_of(device)]
        if len(some) < size:
            some.append(device)
    kinds = {device: kind for kind, some in alike.items() for device in some}
    devices = sorted(kinds, key=lambda device: (-rank[device], device))
    groups: Iterable[tuple[int, ...]] = combinations(devices, size)
    if is_by_waste:
        groups = combinations(devices[:MOST_WASTEFUL], size)
        groups = sorted(groups, key=lambda group: -sum(map(rank.__getitem__, group)))
    tried = set()
    for chosen in groups:
        key = tuple(kinds[device] for device in chosen)
        if key in tried:
            continue
        tried.add(key)
        work.effort.spend(-(-len(streams.devices) // DEVICES_A_STEP))
        gathered = streams.gathered(chosen)
        if gathered is not None:
            yield gathered


class _Streams:
    """Who is served, by weight, and who fits most."""

    def __init__(self, work: WorkingDraft, one_more: int | None) -> None:
        draft, instance = work.draft, work.instance
        self._fits = instance.fits
        self._modes = draft.modes
        self.devices = [device for device, members in enumerate(draft.members) if members]
        served = work.members_of(self.devices)
        # How demanding a device is: how few of them fit its mode.
        num_fitting = instance.fits[served].sum(axis=0)
        self._demand = {device: -int(num_fitting[draft.modes[device]]) for device in self.devices}
        # At the prices of the relaxation, who fits more of what counts gains more; rounded, as they are near.
        prices = work.market.of_all(len(served))
        gains = np.round(prices.densities, 9)
        worth = prices.densities * instance.weights
        # What each falls short of the prices at which all would break even.
        self.wastes = {
            device: float(
                prices.per_device[work.types[device]]
                + worth[draft.members[device]].sum()
                - work.values[device]
            )
            for device in self.devices
        }
        in_order = np.lexsort((instance.fits.sum(axis=1), gains))
        is_served = np.zeros(instance.num_streams, np.bool_)
        is_served[served] = True
        self._served: list[Ints] = []  # of each weight, those who fit least first
        self._best: list[Ints] = []  # as many of each weight, those who fit most of all
        self._counts: list[dict[int, int]] = []  # of each weight, by device
        weights = {work.weights[stream] for stream in served}
        for weight in sorted(weights if one_more is None else weights | {one_more}):
            alike = in_order[instance.weights[in_order] == weight]
            present = alike[is_served[alike]]
            count = len(present) + (weight == one_more)
            self._served.append(present)
            self._best.append(alike[len(alike) - count :])
            self._counts.append(
                {
                    device: sum(work.weights[stream] == weight for stream in draft.members[device])
                    for device in self.devices
                }
            )
        self._needs_best = one_more is not None

    def counts_of(self, device: int) -> list[int]:
        """How many streams of each weight a device has."""
        return [counts[device] for counts in self._counts]

    def gathered(self, chosen: tuple[int, ...]) -> Gathered | None:
        """What these devices get; None if somebody else finds no place."""
        others = self._in_turn(chosen)
        found = self._shared_out(chosen, others, self._best)
        if found is None and not self._needs_best:
            found = self._shared_out(chosen, others, self._served)
        return found

    def _in_turn(self, chosen: tuple[int, ...]) -> list[int]:
        """The other devices: more demanding ones, the most demanding first; others, the least first."""
        least = min(self._demand[device] for device in chosen)
        others = [device for device in self.devices if device not in chosen]
        above = [device for device in others if self._demand[device] >= least]
        below = [device for device in others if self._demand[device] < least]
        above.sort(key=self._demand.__getitem__, reverse=True)
        below.sort(key=self._demand.__getitem__)
        return above + below

    def _shared_out(
        self, chosen: tuple[int, ...], others: Sequence[int], streams: Sequence[Ints]
    ) -> Gathered | None:
        taken: dict[int, list[int]] = {device: [] for device in others}
        left: list[int] = []
        for alike, counts in zip(streams, self._counts, strict=True):
            fits = self._fits[alike]
            is_free = np.ones(len(alike), np.bool_)
            for device in others:
                if not counts[device]:
                    continue
                found = np.flatnonzero(fits[:, self._modes[device]] & is_free)[: counts[device]]
                if len(found) < counts[device]:
                    return None
                is_free[found] = False
                taken[device] += alike[found].tolist()
            left += alike[is_free].tolist()
        return Gathered(chosen, left, taken)
