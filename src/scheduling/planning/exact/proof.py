"""Proves how good a plan can be at most, and finds better ones on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..effort import Effort, TimeLimit
from ..instance import Bools, Floats, Instance, Ints
from ..pricing.choices import Carrying, choices, in_order_of_value, modes_of
from ..pricing.construct import Draft
from ..pricing.demand import most_gained
from ..pricing.prices import Market, Prices
from ..pricing.pricing import DEFAULT_STEPS, first_plan
from .integer_programs import ChoiceProgram, FleetProgram

TOLERANCE = 1e-7
MAX_LISTED_DEVICES = 6  # whose choices of modes are listed
MAX_PROMISING = 500  # choices that get a program each
LISTING_SHARE = 0.5  # of the time left
MS_PER_PLACE = (
    0.1  # that a fleet's program takes until it is solved for, at least; measured: 0.06 to 0.09
)


@dataclass(frozen=True, slots=True)
class _Promising:
    """Choices of a mode per device: (choices, devices) modes, and (choices,) bounds of their value."""

    modes: Ints
    bounds: Floats


class Proof:
    """Finds the best draft of one instance, and bounds."""

    def __init__(self, instance: Instance, limit: TimeLimit) -> None:
        self._instance = instance
        self._limit = limit
        self._market = Market(instance)
        self._capacities = fillable(instance)

    @property
    def _left_s(self) -> float:
        return self._limit.left_ms / 1000

    def solve(self) -> tuple[Draft, int, float]:
        """Returns the draft, a bound of streams served, and one of the value of those that serve as many."""
        instance = self._instance
        draft = first_plan(instance, self._market, Effort(DEFAULT_STEPS, self._limit))
        streams = np.arange(instance.num_streams)
        num_devices = np.bincount(instance.types, minlength=instance.num_types)
        served = sum(map(len, draft.members))
        served_bound = self._market.most_served(streams, num_devices)
        if served < served_bound:
            found, served_bound = self._most_served(served, served_bound)
            draft = found or draft
            served = sum(map(len, draft.members))
        if not served:
            return draft, served_bound, 0.0
        prices = self._market.prices(streams, num_devices, served)
        draft, bound = self._most_valued(draft, prices, served)
        return draft, served_bound, bound

    def _has_time_for(self, places: Bools) -> bool:
        """Whether a program of the fleet with these pairs of stream and mode can even be built in time."""
        instance = self._instance
        num_devices = np.bincount(instance.types, minlength=instance.num_types)
        count = int((places.sum(axis=0) * num_devices[instance.mode_type]).sum())
        return count * MS_PER_PLACE <= self._limit.left_ms

    def _most_served(self, least: int, most: int) -> tuple[Draft | None, int]:
        """Returns a draft that serves more than `least` if there is one, and the proved bound."""
        instance = self._instance
        every = np.arange(len(instance.capacities))
        widest = _undominated(instance, every, self._capacities, np.zeros(len(every)))
        if not self._has_time_for(instance.fits & widest):
            return None, most
        program = FleetProgram(instance, instance.fits & widest, self._capacities)
        program.require_served(least + 1, most)
        bound = program.maximise(dict.fromkeys(program.places, 1.0), least + 1.0, self._left_s)
        if bound is None:
            return None, least
        return program.draft(), min(most, math.floor(min(bound, most) + TOLERANCE))

    def _most_valued(self, draft: Draft, prices: Prices, served: int) -> tuple[Draft, float]:
        """Returns the best draft that serves as many, and the proved bound of its value."""
        instance = self._instance
        value = value_of(instance, draft)
        gap = prices.bound - value
        if gap <= TOLERANCE * abs(value):
            return draft, value
        reduced, costs = costs_of(instance, prices, self._capacities)
        if instance.num_devices <= MAX_LISTED_DEVICES:
            promising = self._promising(reduced, gap, value, served)
            if promising is not None:
                return self._best_choice(promising, draft, served)
        places = instance.fits & (costs <= gap * (1 + TOLERANCE) + TOLERANCE)
        if not self._has_time_for(places):
            return draft, prices.bound
        program = FleetProgram(instance, places, self._capacities)
        program.require_served(served, served)
        values = {
            (stream, mode, copy): float(instance.weights[stream] * instance.values[mode])
            for stream, mode, copy in program.places
        }
        bound = program.maximise(values, beyond(value), self._left_s)
        if bound is None:
            return draft, value
        better = program.draft()
        if better is not None and value_of(instance, better) > value:
            draft, value = better, value_of(instance, better)
        return draft, max(value, min(bound, prices.bound))

    def _promising(
        self, reduced: Floats, gap: float, value: float, served: int
    ) -> _Promising | None:
        """Returns the choices of modes that may be better than the value; None if there are too many.

        Args:
            reduced: (modes,) reduced value of a device in that mode, never above 0.
            gap: of the relaxation to the value.
            value: to be beaten.
            served: how many streams have to be served.
        """
        instance = self._instance
        listing = TimeLimit(self._limit.elapsed_ms)
        listing.start(LISTING_SHARE * self._limit.left_ms)
        slots = sorted(instance.types.tolist())
        listed: dict[int, tuple[Ints, Floats]] = {}
        for number in set(slots):
            modes = np.flatnonzero((instance.mode_type == number) & (reduced >= -gap))
            modes = modes[_undominated(instance, modes, self._capacities, instance.values)]
            modes = modes[np.argsort(-reduced[modes], kind="stable")]
            listed[number] = modes, reduced[modes]
        nothing = _Promising(np.zeros((0, len(slots)), np.int64), np.zeros(0))
        if not all(len(modes) for modes, _ in listed.values()):
            return nothing
        # Whoever must not serve everybody can leave out what costs more than it is worth.
        values = instance.values if served == instance.num_streams else instance.values.clip(min=0)
        carrying = Carrying(instance.fits, instance.weights, self._capacities, values)
        found = [nothing]
        count = 0
        for chosen in choices(slots, listed, gap * (1 + TOLERANCE)):
            modes = modes_of(chosen, slots, listed)
            ordered, _ = in_order_of_value(modes, values)
            bounds, carries_all = carrying.bounds(ordered)
            bounds = np.minimum(bounds, value + gap + reduced[modes].sum(axis=1))
            good = bounds > beyond(value)
            if served == instance.num_streams:
                good &= carries_all
            found.append(_Promising(modes[good], bounds[good]))
            count += int(good.sum())
            if count > MAX_PROMISING or listing.is_up:
                return None
        return _Promising(
            np.concatenate([some.modes for some in found]),
            np.concatenate([some.bounds for some in found]),
        )

    def _best_choice(self, promising: _Promising, draft: Draft, served: int) -> tuple[Draft, float]:
        """Tries each choice, the most promising first; returns the best draft and a proved bound."""
        instance = self._instance
        value = value_of(instance, draft)
        in_order_of_slots = np.argsort(np.argsort(instance.types, kind="stable"), kind="stable")
        unproved = -math.inf
        for number in np.argsort(-promising.bounds, kind="stable").tolist():
            most = float(promising.bounds[number])
            if most <= beyond(value):
                break
            if self._left_s <= 0:
                unproved = max(unproved, most)
                break
            modes = promising.modes[number][in_order_of_slots]
            program = ChoiceProgram(instance, modes, self._capacities, served)
            bound = program.maximise(beyond(value), self._left_s)
            if bound is None:
                continue
            better = program.draft()
            if better is not None and value_of(instance, better) > value:
                draft, value = better, value_of(instance, better)
            unproved = max(unproved, min(bound, most))
        return draft, max(value, unproved)


def costs_of(instance: Instance, prices: Prices, capacities: Ints) -> tuple[Floats, Floats]:
    """Returns (modes,) reduced values, and (streams, modes) what a device with that stream on it costs of the gap at least."""
    loads = np.where(instance.fits, instance.weights[:, None].astype(np.float64), 0.0)
    gains = instance.values - _densities(instance, prices)[:, None]
    reduced = most_gained(loads, gains, capacities) - prices.per_device[instance.mode_type]
    return reduced, -(reduced + (loads * gains).clip(max=0))


def _densities(instance: Instance, prices: Prices) -> Floats:
    """What a unit of each stream's weight is worth; of those not to be served, as of the last served."""
    densities = prices.densities.copy()
    if len(prices.served) < instance.num_streams:
        nets = densities * instance.weights
        left_out = np.ones(instance.num_streams, np.bool_)
        left_out[prices.served] = False
        densities[left_out] = nets[prices.served].min() / instance.weights[left_out]
    return densities


def fillable(instance: Instance) -> Ints:
    """Returns the most that streams can fill of each mode's capacity: the largest sum of their weights."""
    most = []
    for mode, capacity in enumerate(instance.capacities.tolist()):
        mask = (1 << (capacity + 1)) - 1
        reachable = 1
        for weight in instance.weights[instance.fits[:, mode]].tolist():
            reachable |= (reachable << weight) & mask
        most.append(reachable.bit_length() - 1)
    return np.array(most, np.int64)


def _undominated(instance: Instance, modes: Ints, capacities: Ints, values: Floats) -> Bools:
    """Modes to which no other of these is preferable: worth as much, as wide, for the same streams."""
    fits, capacity, value = instance.fits[:, modes], capacities[modes], values[modes]
    kind = instance.mode_type[modes]
    fits_all = ~(fits[:, :, None] & ~fits[:, None, :]).any(
        axis=0
    )  # whose streams, who fits them too
    no_worse = (
        fits_all
        & (kind[:, None] == kind[None, :])
        & (capacity[:, None] <= capacity[None, :])
        & (value[:, None] <= value[None, :])
    )
    rank = np.arange(len(modes))
    preferable = no_worse & (~no_worse.T | (rank[:, None] > rank[None, :]))
    undominated: Bools = np.logical_not(preferable.any(axis=1))
    return undominated


def beyond(value: float) -> float:
    """What is better than a value for certain."""
    return value + TOLERANCE * abs(value)


def value_of(instance: Instance, draft: Draft) -> float:
    """What all that a draft serves is worth: weight x value of the mode."""
    return float(
        sum(
            instance.weights[members].sum() * instance.values[mode]
            for mode, members in zip(draft.modes, draft.members, strict=True)
            if members
        )
    )
