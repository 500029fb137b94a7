"""What a device is worth: the linear relaxation of the planning problem, solved through its prices.

Relaxed, devices may be shared out in any fractions over modes, and clients over devices. Then a
client of weight w in a mode of capacity C uses w / C of a device, so at a price p for a device of a
type every client simply takes the mode with the highest `accuracy - p / C`, each unit of its weight
at that value. Prices at which no type is used more than there are devices of it solve the
relaxation; any prices at all give an upper bound of every plan's value (Lagrange duality).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .instance import Floats, Instance, Ints

BISECTIONS = 11
PASSES = 3  # over the types, where there are several
SAMPLE = 1500  # clients; of more, some evenly spread ones make the prices
WARM_RATIO = 1.5  # how far a price is looked for from the one before, at first
MAX_PRICE_RATIO = 1e6  # to the value of a device that is full at the best accuracy


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices, and what clients would do at them. Arrays over clients follow those asked about.

    Attributes:
        per_device: (types,) price of one device.
        modes: (clients,) the mode that each client prefers.
        densities: (clients,) its accuracy less what it pays, per unit of weight.
        served: numbers of the clients to serve, of those asked about.
        bound: no plan that serves that many has more weight x accuracy.
    """

    per_device: Floats
    modes: Ints
    densities: Floats
    served: Ints
    bound: float


class Market:
    """Prices any part of an instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._weights = instance.weights.astype(np.float64)
        starts = np.flatnonzero(instance.starts_variant)
        self._lane_type = instance.mode_type[starts]
        modes = np.where(instance.fits, np.arange(len(instance.capacities)), -1)
        last_modes = np.maximum.reduceat(modes, starts, axis=1)
        fits = last_modes >= 0
        self._last_modes = np.maximum(last_modes, 0)
        self._accuracies = np.where(fits, instance.accuracies[starts], -np.inf)
        self._shares = np.where(fits, 1.0 / np.maximum(instance.capacities[self._last_modes], 1), 0)
        self._fits = fits
        best = np.where(fits, instance.capacities[self._last_modes], 0)
        self._scale = np.array(
            [
                max(float(best[:, self._lane_type == number].max(initial=0)), 1.0)
                for number in range(instance.num_types)
            ]
        )

    def most_served(self, clients: Ints, num_devices: Ints) -> int:
        """Returns an upper bound of the number of clients that so many devices can serve."""
        if not len(clients) or not num_devices.sum():
            return 0
        rewards = 1.0 / self._instance.weights[clients]
        offers = np.where(self._fits[clients], rewards[:, None], -np.inf)
        prices = self._clear(clients, num_devices, offers, None, None)
        return min(len(clients), math.floor(prices.bound + 1e-6))

    def prices(
        self,
        clients: Ints,
        num_devices: Ints,
        num_served: int,
        start: Floats | None = None,
    ) -> Prices:
        """Returns prices at which that many of the clients are served.

        Args:
            clients: numbers of at least one client within the instance.
            num_devices: (types,) devices to share out.
            num_served: how many clients; those that cost least against what they bring.
            start: (types,) prices to begin with.
        """
        return self._clear(clients, num_devices, self._accuracies[clients], num_served, start)

    def _clear(
        self,
        clients: Ints,
        num_devices: Floats | Ints,
        offers: Floats,
        num_served: int | None,
        start: Floats | None,
    ) -> Prices:
        """Raises and lowers prices until demand meets supply; `None` serves whom it pays to serve."""
        stride = -(-len(clients) // SAMPLE)
        if stride > 1:
            some = slice(None, None, stride)
            share = len(clients[some]) / len(clients)
            start = self._clear(
                clients[some],
                (num_devices * share).astype(np.float64),
                offers[some],
                None if num_served is None else round(num_served * share),
                start,
            ).per_device
            return self._look(clients, num_devices, offers, num_served, start)[1]
        best: Prices | None = None

        def look(per_device: Floats) -> tuple[Floats, Prices]:
            return self._look(clients, num_devices, offers, num_served, per_device)

        def keep(per_device: Floats) -> None:
            nonlocal best
            prices = look(per_device)[1]
            if best is None or prices.bound < best.bound:
                best = prices

        reach = self._scale * float(offers.max(initial=0.0) or 1.0)
        has_devices = num_devices > 0
        current = np.where(has_devices, 0.0, reach * MAX_PRICE_RATIO)
        ray = self._scale if start is None else np.maximum(start, 1e-3 * reach)

        def demand_along_ray(factor: float) -> float:
            used = look(np.where(has_devices, factor * ray, current))[0]
            return float((used - num_devices)[has_devices] @ ray[has_devices])

        guess = float(offers.max(initial=0.0) or 1.0) / 2 if start is None else 1.0
        factor = _lowest(demand_along_ray, guess, guess * MAX_PRICE_RATIO)
        current = np.where(has_devices, factor * ray, current)
        keep(current)
        several = np.flatnonzero(has_devices)
        for _ in range(PASSES if len(several) > 1 else 0):
            for number in several:

                def demand_of_type(price: float, number: int = int(number)) -> float:
                    tried = current.copy()
                    tried[number] = price
                    return float((look(tried)[0] - num_devices)[number])

                price = _lowest(
                    demand_of_type,
                    max(float(current[number]), 1e-6 * float(reach[number])),
                    float(reach[number]) * MAX_PRICE_RATIO,
                )
                current[number] = price
            keep(current.copy())
        assert best is not None  # noqa: S101 - kept above
        return best

    def _look(
        self,
        clients: Ints,
        num_devices: Floats | Ints,
        offers: Floats,
        num_served: int | None,
        per_device: Floats,
    ) -> tuple[Floats, Prices]:
        """Returns the devices of each type asked for at these prices, and what clients do."""
        lane_type = self._lane_type
        weights = self._weights[clients]
        shares = self._shares[clients]
        rows = np.arange(len(clients))
        values = offers - per_device[lane_type] * shares
        lanes = values.argmax(axis=1)
        densities = values[rows, lanes]
        nets = weights * densities
        if num_served is None:
            served = np.flatnonzero(nets > 0)
        elif num_served < len(clients):
            served = np.argpartition(-nets, num_served)[:num_served]
        else:
            served = rows
        used = np.bincount(
            lane_type[lanes[served]],
            weights=(weights * shares[rows, lanes])[served],
            minlength=len(per_device),
        ).astype(np.float64)
        bound = float(per_device @ num_devices + nets[served].sum())
        modes = self._last_modes[clients, lanes]
        return used, Prices(per_device, modes, densities, served, bound)


def most_gained(loads: Floats, gains: Floats, capacities: Ints) -> Floats:
    """The most that one device in each mode can gain, if clients can be split.

    Less the price of the device this is the mode's reduced cost, never above 0.

    Args:
        loads: (clients, modes) weight of the client, 0 where it does not fit.
        gains: (clients, modes) what a unit of weight gains there.
        capacities: (modes,).
    """
    gains = np.where(loads > 0, gains, 0.0).clip(min=0)
    order = np.argsort(-gains, axis=0)
    gains = np.take_along_axis(gains, order, axis=0)
    loads = np.take_along_axis(loads, order, axis=0)
    before = np.cumsum(loads, axis=0) - loads
    values: Floats = (gains * np.clip(capacities - before, 0, loads)).sum(axis=0)
    return values


def _lowest(demand: Callable[[float], float], guess: float, most: float) -> float:
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
