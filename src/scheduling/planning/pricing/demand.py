"""What streams want at given prices of devices, and the prices at which that is not more than there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..instance import Floats, Ints

BISECTIONS = 11
WARM_RATIO = 1.5  # how far a price is looked for from the one before, at first


@dataclass(frozen=True, slots=True)
class Wish:
    """What streams want at some prices.

    Attributes:
        lanes: (streams,) the variant on a type that each prefers.
        densities: (streams,) what it gains there per unit of weight.
        nets: (streams,) what it gains.
        served: numbers of the streams to serve.
    """

    lanes: Ints
    densities: Floats
    nets: Floats
    served: Ints


class Demand:
    """What streams want at any prices."""

    def __init__(
        self,
        lane_type: Ints,
        weights: Floats,
        shares: Floats,
        offers: Floats,
        num_served: int | None,
    ) -> None:
        """Takes arrays over streams and lanes; `num_served` None serves whom it pays to serve."""
        self._lane_type = lane_type
        self._weights = weights
        self._shares = shares
        self._offers = offers
        self._num_served = num_served
        self._rows = np.arange(len(weights))
        self._loads = weights[:, None] * shares

    def at(self, per_device: Floats) -> Wish:
        """What the streams want at these prices."""
        lanes, densities = self._preferred(per_device)
        nets = self._weights * densities
        return Wish(lanes, densities, nets, self._served(nets))

    def used(self, per_device: Floats) -> Floats:
        """How many devices of each type that takes."""
        lanes, densities = self._preferred(per_device)
        loads = self._loads[self._rows, lanes]
        if self._num_served is None or self._num_served < len(loads):
            served = self._served(self._weights * densities)
            lanes, loads = lanes[served], loads[served]
        if len(per_device) == 1:
            return np.array([loads.sum()])
        return np.bincount(self._lane_type[lanes], weights=loads, minlength=len(per_device)).astype(
            np.float64
        )

    def _preferred(self, per_device: Floats) -> tuple[Ints, Floats]:
        """The lane that each stream prefers, and what a unit of its weight gains there."""
        prices = per_device if len(per_device) == 1 else per_device[self._lane_type]
        values = self._offers - prices * self._shares
        lanes = values.argmax(axis=1)
        return lanes, values[self._rows, lanes]

    def excess_of_type(
        self, number: int, per_device: Floats, num_devices: float
    ) -> Callable[[float], float]:
        """Returns how many devices of one type are missing, by their price; other prices stay."""
        own = self._lane_type == number
        elsewhere = (
            self._offers[:, ~own] - per_device[self._lane_type[~own]] * self._shares[:, ~own]
        ).max(axis=1)
        offers, shares = self._offers[:, own], self._shares[:, own]

        def excess(price: float) -> float:
            values = offers - price * shares
            lanes = values.argmax(axis=1)
            here = values[self._rows, lanes]
            served = self._served(self._weights * np.maximum(here, elsewhere))
            comes = served[here[served] > elsewhere[served]]
            return float(self._weights[comes] @ shares[comes, lanes[comes]] - num_devices)

        return excess

    def _served(self, nets: Floats) -> Ints:
        if self._num_served is None:
            return np.flatnonzero(nets > 0)
        if self._num_served < len(nets):
            return np.argpartition(-nets, self._num_served)[: self._num_served]
        return self._rows


def most_gained(loads: Floats, gains: Floats, capacities: Ints) -> Floats:
    """The most that one device in each mode can gain, if streams can be split.

    Less the price of the device this is the mode's reduced cost, never above 0.

    Args:
        loads: (streams, modes) weight of the stream, 0 where it does not fit.
        gains: (streams, modes) what a unit of weight gains there.
        capacities: (modes,).
    """
    gains = np.where(loads > 0, gains, 0.0).clip(min=0)
    order = np.argsort(-gains, axis=0)
    gains = np.take_along_axis(gains, order, axis=0)
    loads = np.take_along_axis(loads, order, axis=0)
    before = np.cumsum(loads, axis=0) - loads
    values: Floats = (gains * np.clip(capacities - before, 0, loads)).sum(axis=0)
    return values


def lowest(demand: Callable[[float], float], guess: float, most: float) -> float:
    """Returns about the lowest price at which nothing more is asked for than there is, or `most`."""
    if demand(0.0) <= 0:
        return 0.0
    low, high = guess / WARM_RATIO, guess * WARM_RATIO
    step = WARM_RATIO
    while demand(high) > 0:
        low, high = high, high * step
        step *= 2
        if high > most:
            return most
    if demand(low) <= 0:
        while low > most * 1e-15 and demand(low) <= 0:
            high, low = low, low / step
            step *= 2
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if demand(middle) > 0:
            low = middle
        else:
            high = middle
    return high
