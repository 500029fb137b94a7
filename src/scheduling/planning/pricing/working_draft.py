"""A draft that is improved in place: what each device is worth, and what it costs to change it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from ..effort import Effort
from ..instance import Floats, Ints
from ..switching import SwitchingCost
from .construct import Draft
from .prices import Market, Prices
from .regroup import Group, Regrouper
from .regroup_many import regroup_many

STEPS_OF_SIZE = {2: 1, 3: 10, 4: 40}  # what a group costs against a pair, measured


class WorkingDraft:
    """A draft with the value of each device; it never gets worse.

    Attributes:
        regrouper: of the draft's instance.
        instance: the same.
        market: of the same.
        effort: what may be spent.
        switching: what it costs to depart from the draft, if it is in force.
        draft: as it is now.
        types: (devices) type number of each.
        weights: (streams) rate of each in whole units.
        values: (devices) what the frames of each are worth: weight x value of its mode.
        group_prices: (types,) prices that groups of three and four begin with, if they were looked up.
    """

    def __init__(
        self,
        regrouper: Regrouper,
        market: Market,
        draft: Draft,
        effort: Effort,
        switching: SwitchingCost | None = None,
    ) -> None:
        """Takes over a draft."""
        self.regrouper = regrouper
        self.instance = regrouper.instance
        self.market = market
        self.effort = effort
        self.switching = switching
        self.draft = draft
        self.types: list[int] = self.instance.types.tolist()
        self.weights: list[int] = self.instance.weights.tolist()
        self.values = [self._value(device) for device in range(len(self.types))]
        self.group_prices: Floats | None = None
        # None where a device is idle and may load what it likes.
        self._variants_in_force = [
            int(self.instance.mode_variant[mode]) if members else None
            for mode, members in zip(draft.modes, draft.members, strict=True)
        ]
        self._place_in_force = {
            stream: device for device, members in enumerate(draft.members) for stream in members
        }
        self._versions = [0] * len(self.types)
        self._settled: dict[tuple[int, ...], tuple[int, ...]] = {}

    @property
    def value(self) -> float:
        """What all that is served is worth."""
        return float(sum(self.values))

    @property
    def num_served(self) -> int:
        """How many streams have a device."""
        return sum(map(len, self.draft.members))

    @property
    def merit(self) -> tuple[int, float]:
        """What plans are compared by."""
        return self.num_served, self.value

    @property
    def is_free_in_overload(self) -> bool:
        """Whether somebody is left over, and streams may move without a gain: no plan is in force."""
        return self.switching is None and bool(self.draft.unserved)

    @property
    def num_devices(self) -> Ints:
        """(types,) how many devices there are."""
        return np.bincount(self.instance.types, minlength=self.instance.num_types)

    def prices_of(self, streams: Sequence[int], num_served: int) -> Prices:
        """Prices of all devices, for these streams."""
        return self.market.prices(np.array(streams), self.num_devices, num_served)

    def load(self, device: int) -> int:
        """Weight of what a device serves."""
        return sum(self.weights[stream] for stream in self.draft.members[device])

    def kind(self, device: int) -> tuple[int, int, int]:
        """What a device is like, but for who its streams are: type, mode and load."""
        return self.types[device], self.draft.modes[device], self.load(device)

    def members_of(self, devices: Sequence[int]) -> list[int]:
        """The streams that these devices serve."""
        return [stream for device in devices for stream in self.draft.members[device]]

    def set(self, device: int, mode: int, members: list[int]) -> None:
        """Changes a device."""
        self.draft.modes[device], self.draft.members[device] = mode, members
        self.values[device] = self._value(device)
        self._versions[device] += 1

    def take(self, devices: Sequence[int], group: Group) -> None:
        """Changes a group of devices."""
        for device, mode, members in zip(devices, group.modes, group.members, strict=True):
            self.set(device, mode, members)

    def plan_anew(self, devices: Sequence[int], streams: list[int], value: float) -> Group | None:
        """Plans these devices for these streams if that is better than the value."""
        types = [self.types[device] for device in devices]
        if len(devices) == 2:  # noqa: PLR2004
            return self.regrouper.pair(types[0], types[1], streams, value)
        return regroup_many(self.regrouper, self.market, types, streams, value, self.group_prices)[
            0
        ]

    def regroup(self, devices: Sequence[int]) -> bool:
        """Plans these devices anew if that gains enough; tells whether it did."""
        key = tuple(sorted(devices))
        versions = tuple(self._versions[device] for device in key)
        if self._settled.get(key) == versions:
            return False
        self._settled[key] = versions
        streams = self.members_of(key)
        if not streams:
            return False
        self.effort.spend(STEPS_OF_SIZE[len(key)])
        value = sum(self.values[device] for device in key)
        group = self.plan_anew(key, streams, value)
        if group is None:
            return False
        if self.switching is not None:
            group = self.with_fewest_changes(key, group)
            present = [(self.draft.modes[one], self.draft.members[one]) for one in key]
            cost = self.cost(key, list(zip(group.modes, group.members, strict=True)))
            if group.value - value <= cost - self.cost(key, present):
                return False
        self.take(key, group)
        self._settled[key] = tuple(self._versions[device] for device in key)
        return True

    def cost(self, devices: Sequence[int], group: Sequence[tuple[int, list[int]]]) -> float:
        """What it costs to get from the plan in force to these modes and members."""
        if self.switching is None:
            return 0.0
        loaded = moved = 0.0
        for device, (mode, members) in zip(devices, group, strict=True):
            accuracy = float(self.instance.accuracies[mode])
            if self._variants_in_force[device] not in (None, int(self.instance.mode_variant[mode])):
                loaded += accuracy * sum(self.weights[stream] for stream in members)
            moved += accuracy * sum(
                self.weights[stream]
                for stream in members
                if self._place_in_force.get(stream, device) != device
            )
        return self.switching.of(loaded, moved)

    def with_fewest_changes(self, devices: Sequence[int], group: Group) -> Group:
        """The same, shared out among devices of one type so that it costs least to get there."""
        parts = list(zip(group.modes, group.members, strict=True))
        types = [self.types[device] for device in devices]
        best = min(
            (
                [parts[number] for number in order]
                for order in permutations(range(len(parts)))
                if all(types[number] == kind for number, kind in zip(order, types, strict=True))
            ),
            key=lambda some: self.cost(devices, some),
        )
        return Group(group.value, tuple(mode for mode, _ in best), tuple(part for _, part in best))

    def _value(self, device: int) -> float:
        return self.load(device) * float(self.instance.values[self.draft.modes[device]])
