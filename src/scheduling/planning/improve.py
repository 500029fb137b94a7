"""Improves a draft by planning a few of its devices anew at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import combinations, permutations
from random import Random

import numpy as np

from .capacity import EQUAL_RATIO
from .construct import Draft
from .effort import Effort
from .instance import Floats
from .prices import Market
from .refill import refill
from .regroup import MIN_GAIN, Group, Regrouper
from .regroup_many import THOROUGH, regroup_many
from .switching import SwitchingCost

MAX_FAILED_INSERTIONS = 4  # of clients in a row, lightest first
NEIGHBOURS = 24  # with how many others a device is regrouped, where there are more
EXCHANGE_SIZES = (2, 3)  # devices planned anew for an exchange
MAX_EXCHANGES = 40  # of a client that is served with one that is not, the most promising first
MAX_EXCHANGE_PARTNERS = 4  # of the device on which the one is served
LARGER_SIZES = (3, 4)
ROOMIEST = 7  # devices of which threes are tried to make room for a client
MOST_WASTEFUL = 12  # devices of which larger groups are made
STEPS_OF_ALL = 100
STEPS_OF_SIZE = {2: 1, 3: 10, 4: 40}  # what a group costs against a pair, measured


class Improver:
    """Changes a draft in place; it never gets worse."""

    def __init__(
        self,
        regrouper: Regrouper,
        market: Market,
        draft: Draft,
        effort: Effort,
        switching: SwitchingCost | None = None,
    ) -> None:
        """Takes over a draft.

        Args:
            regrouper: of the draft's instance.
            market: of the same.
            draft: to improve.
            effort: what may be spent.
            switching: what it costs to depart from the draft, if it is in force.
        """
        self._instance = regrouper.instance
        self._regrouper = regrouper
        self._market = market
        self._effort = effort
        self._switching = switching
        # None where a device is idle and may load what it likes.
        self._variants_in_force = [
            int(self._instance.mode_variant[mode]) if members else None
            for mode, members in zip(draft.modes, draft.members, strict=True)
        ]
        self._place_in_force = {
            client: device for device, members in enumerate(draft.members) for client in members
        }
        self.draft = draft
        self._types: list[int] = self._instance.types.tolist()
        self._weights: list[int] = self._instance.weights.tolist()
        self._values = [self._value(device) for device in range(len(self._types))]
        self._versions = [0] * len(self._types)
        self._settled: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._prices: Floats | None = None  # of devices, as last looked up

    @property
    def value(self) -> float:
        """Weight x accuracy of all that is served."""
        return float(sum(self._values))

    @property
    def num_served(self) -> int:
        """How many clients have a device."""
        return sum(map(len, self.draft.members))

    @property
    def merit(self) -> tuple[int, float]:
        """What plans are compared by."""
        return self.num_served, self.value

    def settle(self, most_served: int, devices: Iterable[int] | None = None) -> None:
        """Serves more, then better, until pairs of devices gain nothing or the effort is spent.

        Args:
            most_served: nobody tries to serve more than that.
            devices: those to begin with, if not all.
        """
        dirty = set(range(len(self._types)) if devices is None else devices)
        while not self._effort.is_spent:
            served, value = self.merit
            if self.draft.unserved:
                dirty |= self._refill_all()
                dirty |= self._insert_all(most_served)
            self.regroup_pairs(sorted(dirty))
            if not self.draft.unserved or self.merit <= (served, value + MIN_GAIN):
                break

    def upgrade_all(self) -> None:
        """Gives each device the most accurate mode that carries its clients, where that gains enough."""
        instance = self._instance
        for device, members in enumerate(self.draft.members):
            if not members:
                continue
            load = sum(self._weights[client] for client in members)
            modes = np.flatnonzero(
                (instance.mode_type == self._types[device])
                & (instance.capacities >= load)
                & instance.fits[members].all(axis=0)
            )
            if not len(modes):
                continue  # the plan in force is that of other budgets
            mode = int(modes[instance.accuracies[modes].argmax()])
            gain = load * float(instance.accuracies[mode]) - self._values[device]
            cost = self._cost([device], [(mode, members)])
            if gain > MIN_GAIN and gain > cost - self._cost(
                [device], [(self.draft.modes[device], members)]
            ):
                self._set(device, mode, members)

    def regroup_pairs(self, devices: Iterable[int]) -> None:
        """Regroups these devices with others, and those that this changes, until nothing is gained."""
        queue = deque((one, other) for one in devices for other in self._partners(one))
        queued = set(queue)
        while queue and not self._effort.is_spent:
            pair = queue.popleft()
            queued.discard(pair)
            if not self._regroup(pair):
                continue
            for device in pair:
                for partner in self._partners(device):
                    if partner not in pair and (device, partner) not in queued:
                        queue.append((device, partner))
                        queued.add((device, partner))

    def shake(self, random: Random) -> None:
        """Splits the clients of pairs otherwise, at no loss, so that other exchanges open up."""
        devices = list(range(len(self._types)))
        random.shuffle(devices)
        for pair in zip(devices[::2], devices[1::2], strict=False):
            one, other = sorted(pair)
            clients = self.draft.members[one] + self.draft.members[other]
            if not clients:
                continue
            random.shuffle(clients)
            self._effort.spend()
            least = (self._values[one] + self._values[other]) * (1 - EQUAL_RATIO) - MIN_GAIN
            group = self._regrouper.pair(self._types[one], self._types[other], clients, least)
            if group is not None:
                self._take((one, other), group)
        self.regroup_pairs(range(len(self._types)))

    def regroup_larger(self, bound: float) -> None:
        """Regroups three and four devices at a time, those first that waste most.

        Args:
            bound: of the value of any plan that serves as many; at the bound there is nothing to do.
        """
        for size in LARGER_SIZES:
            improved = True
            while improved and self.value < bound - MIN_GAIN:
                improved = False
                for devices in self._wasteful_groups(size):
                    if self._effort.is_spent:
                        return
                    if self._regroup(devices):
                        improved = True
                        self.regroup_pairs(devices)
                        break

    def regroup_all(self) -> bool:
        """Plans all devices anew for the clients they serve; tells whether no plan for these is better."""
        devices = range(len(self._types))
        clients = [client for device in devices for client in self.draft.members[device]]
        if not clients:
            return False
        self._effort.spend(STEPS_OF_ALL)
        group, is_complete = regroup_many(
            self._regrouper, self._market, self._types, clients, self.value, None, THOROUGH
        )
        if group is not None:
            self._take(devices, group)
        return is_complete

    def exchange(self) -> None:
        """Serves clients in place of others where two or three devices gain by it."""
        while self.draft.unserved and not self._effort.is_spent:
            changed = self._exchange_one()
            if not changed:
                break
            self.regroup_pairs(changed)

    def _exchange_one(self) -> tuple[int, ...]:
        """Makes the first exchange that gains; returns the devices that it changed."""
        pairs = [
            (client, in_place_of, device)
            for device, members in enumerate(self.draft.members)
            for in_place_of in self._unlike(members)
            for client in self._unlike(self.draft.unserved)
        ]
        worth = self._worth()
        pairs.sort(key=lambda pair: worth[pair[1]] - worth[pair[0]])
        for size in EXCHANGE_SIZES:
            for client, in_place_of, device in pairs[:MAX_EXCHANGES]:
                partners = self._partners(device)[:MAX_EXCHANGE_PARTNERS]
                for others in combinations(partners, size - 1):
                    if self._effort.is_spent:
                        return ()
                    devices = (device, *others)
                    self._effort.spend(STEPS_OF_SIZE[size])
                    clients = [one for some in devices for one in self.draft.members[some]]
                    clients[clients.index(in_place_of)] = client
                    group = self._group(devices, clients, sum(self._values[one] for one in devices))
                    if group is not None:
                        unserved = self.draft.unserved
                        unserved[unserved.index(client)] = in_place_of
                        self._take(devices, group)
                        return devices
        return ()

    def _group(self, devices: Sequence[int], clients: list[int], value: float) -> Group | None:
        """Plans these devices for these clients if that is better than the value."""
        types = [self._types[device] for device in devices]
        if len(devices) == 2:  # noqa: PLR2004
            return self._regrouper.pair(types[0], types[1], clients, value)
        return regroup_many(self._regrouper, self._market, types, clients, value, self._prices)[0]

    def _wasteful_groups(self, size: int) -> list[tuple[int, ...]]:
        """Groups of devices, by what they fall short of the prices at which all would break even."""
        served = sorted(client for members in self.draft.members for client in members)
        if len(self._types) < size or not served:
            return []
        prices = self._market.prices(
            np.array(served),
            np.bincount(self._instance.types, minlength=self._instance.num_types),
            len(served),
        )
        self._prices = prices.per_device
        density = dict(zip(served, prices.densities.tolist(), strict=True))
        waste = [
            float(prices.per_device[number])
            + sum(density[client] * self._weights[client] for client in members)
            - value
            for number, members, value in zip(
                self._types, self.draft.members, self._values, strict=True
            )
        ]
        order = sorted(range(len(waste)), key=lambda device: -waste[device])[:MOST_WASTEFUL]
        groups = combinations(sorted(order), size)
        return sorted(groups, key=lambda group: -sum(waste[device] for device in group))

    def _partners(self, device: int) -> list[int]:
        """The other devices; where there are many, some evenly spread ones."""
        count = len(self._types)
        if count <= NEIGHBOURS + 1:
            return [other for other in range(count) if other != device]
        step = count // NEIGHBOURS
        return [(device + step * number) % count for number in range(1, NEIGHBOURS)]

    def _regroup(self, devices: Sequence[int]) -> bool:
        """Plans these devices anew if that gains enough; tells whether it did."""
        key = tuple(sorted(devices))
        versions = tuple(self._versions[device] for device in key)
        if self._settled.get(key) == versions:
            return False
        self._settled[key] = versions
        clients = [client for device in key for client in self.draft.members[device]]
        if not clients:
            return False
        self._effort.spend(STEPS_OF_SIZE[len(key)])
        value = sum(self._values[device] for device in key)
        group = self._group(key, clients, value)
        if group is None:
            return False
        if self._switching is not None:
            group = self._with_fewest_changes(key, group)
            present = [(self.draft.modes[one], self.draft.members[one]) for one in key]
            cost = self._cost(key, list(zip(group.modes, group.members, strict=True)))
            if group.value - value <= cost - self._cost(key, present):
                return False
        self._take(key, group)
        self._settled[key] = tuple(self._versions[device] for device in key)
        return True

    def _cost(self, devices: Sequence[int], group: Sequence[tuple[int, list[int]]]) -> float:
        """What it costs to get from the plan in force to these modes and members."""
        if self._switching is None:
            return 0.0
        loaded = moved = 0.0
        for device, (mode, members) in zip(devices, group, strict=True):
            accuracy = float(self._instance.accuracies[mode])
            if self._variants_in_force[device] not in (
                None,
                int(self._instance.mode_variant[mode]),
            ):
                loaded += accuracy * sum(self._weights[client] for client in members)
            moved += accuracy * sum(
                self._weights[client]
                for client in members
                if self._place_in_force.get(client, device) != device
            )
        return self._switching.of(loaded, moved)

    def _with_fewest_changes(self, devices: Sequence[int], group: Group) -> Group:
        """The same, shared out among devices of one type so that it costs least to get there."""
        parts = list(zip(group.modes, group.members, strict=True))
        types = [self._types[device] for device in devices]
        best = min(
            (
                [parts[number] for number in order]
                for order in permutations(range(len(parts)))
                if all(types[number] == kind for number, kind in zip(order, types, strict=True))
            ),
            key=lambda some: self._cost(devices, some),
        )
        return Group(group.value, tuple(mode for mode, _ in best), tuple(part for _, part in best))

    def _insert_all(self, most_served: int) -> set[int]:
        """Makes room for clients that are not served; returns the devices that it changed.

        Begins with the lightest, and of equals with those that fit most modes.
        """
        failed = 0
        changed: set[int] = set()
        choice = self._instance.fits[self.draft.unserved].sum(axis=1).tolist()
        order = sorted(
            (self._weights[client], -num_modes, client)
            for client, num_modes in zip(self.draft.unserved, choice, strict=True)
        )
        for _, _, client in order:
            if (
                self._effort.is_spent
                or self.num_served >= most_served
                or failed == MAX_FAILED_INSERTIONS
            ):
                break
            devices = self._insert(client)
            failed = 0 if devices else failed + 1
            changed.update(devices)
        return changed

    def _insert(self, client: int) -> tuple[int, ...]:
        """Serves one more client with the pair of devices that loses least by it, else with three.

        Returns:
            The devices that it changed; none if there is no room.
        """
        best: tuple[float, tuple[int, int], Group] | None = None
        for pair in self._roomy_pairs():
            if self._effort.is_spent:
                break
            self._effort.spend()
            one, other = pair
            value = self._values[one] + self._values[other]
            clients = [*self.draft.members[one], *self.draft.members[other], client]
            least = -1.0 if best is None else value + best[0]
            group = self._regrouper.pair(self._types[one], self._types[other], clients, least)
            if group is not None:
                best = group.value - value, pair, group
        if best is not None:
            self.draft.unserved.remove(client)
            self._take(best[1], self._with_fewest_changes(best[1], best[2]))
            return best[1]
        for devices in self._roomy_threes(client):
            if self._effort.is_spent:
                break
            self._effort.spend(STEPS_OF_SIZE[3])
            clients = [one for device in devices for one in self.draft.members[device]]
            types = [self._types[device] for device in devices]
            group, _ = regroup_many(self._regrouper, self._market, types, [*clients, client], -1.0)
            if group is not None:
                self.draft.unserved.remove(client)
                self._take(devices, self._with_fewest_changes(devices, group))
                return devices
        return ()

    def _unlike(self, clients: Sequence[int]) -> list[int]:
        """One of each kind of client: of one weight, and fit for the same modes."""
        fits = self._instance.fits
        return list(
            {(self._weights[client], fits[client].tobytes()): client for client in clients}.values()
        )

    def _worth(self) -> list[float]:
        """What it is worth to serve each client, at the prices of the relaxation."""
        instance = self._instance
        prices = self._market.prices(
            np.arange(instance.num_clients),
            np.bincount(instance.types, minlength=instance.num_types),
            self.num_served,
        )
        worth: list[float] = (prices.densities * instance.weights).tolist()
        return worth

    def _roomy_pairs(self) -> list[tuple[int, int]]:
        """Pairs of devices, best first of those that have accuracy to give away for room."""
        devices = sorted(range(len(self._types)), key=lambda device: -self._values[device])
        return list(combinations(devices[:NEIGHBOURS], 2))

    def _roomy_threes(self, client: int) -> list[tuple[int, ...]]:
        """Threes of devices that could carry the client if they split their loads well."""
        room = [self._room(device) for device in range(len(self._types))]
        devices = sorted(range(len(room)), key=lambda device: -room[device])[:ROOMIEST]
        return [
            three
            for three in combinations(sorted(devices), 3)
            if sum(room[device] for device in three) >= self._weights[client]
        ]

    def _room(self, device: int) -> float:
        """What a device could carry more of what its clients are like."""
        members = self.draft.members[device]
        modes = self._instance.mode_type == self._types[device]
        if members:
            modes = modes & self._instance.fits[members].all(axis=0)
        load = sum(self._weights[client] for client in members)
        return float(self._instance.capacities[modes].max(initial=load) - load)

    def _refill_all(self) -> set[int]:
        """Exchanges clients of single devices with those not served; returns the devices changed."""
        changed = set()
        for device, members in enumerate(self.draft.members):
            if self._effort.is_spent or not self.draft.unserved:
                break
            pool = members + self.draft.unserved
            self._effort.spend()
            found = refill(
                self._instance, self._types[device], pool, len(members), self._values[device]
            )
            if found is not None:
                mode, chosen = found
                gone = set(chosen)
                self.draft.unserved = [client for client in pool if client not in gone]
                self._set(device, mode, chosen)
                changed.add(device)
        return changed

    def _take(self, devices: Sequence[int], group: Group) -> None:
        for device, mode, members in zip(devices, group.modes, group.members, strict=True):
            self._set(device, mode, members)

    def _set(self, device: int, mode: int, members: list[int]) -> None:
        self.draft.modes[device], self.draft.members[device] = mode, members
        self._values[device] = self._value(device)
        self._versions[device] += 1

    def _value(self, device: int) -> float:
        load = sum(self._weights[client] for client in self.draft.members[device])
        return load * float(self._instance.accuracies[self.draft.modes[device]])
