"""What a device is worth: the linear relaxation of the planning problem, solved through its prices.

Relaxed, devices may be shared out in any fractions over modes, and streams over devices. Then a
stream of weight w in a mode of capacity C uses w / C of a device, so at a price p for a device of a
type every stream simply takes the mode with the highest `value - p / C`, each unit of its weight
at that value. Prices at which no type is used more than there are devices of it solve the
relaxation; any prices at all give an upper bound of every plan's value (Lagrange duality).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..instance import Floats, Instance, Ints
from .demand import Demand, lowest

PASSES = 3  # over the types, where there are several
SAMPLE = 1500  # streams; of more, some evenly spread ones make the prices
MAX_PRICE_RATIO = 1e6  # to the value of a device that is full at the best accuracy


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices, and what streams would do at them. Arrays over streams follow those asked about.

    Attributes:
        per_device: (types,) price of one device.
        modes: (streams,) the mode that each stream prefers.
        densities: (streams,) its value less what it pays, per unit of weight.
        served: numbers of the streams to serve, of those asked about.
        bound: no plan that serves that many has a higher value.
        is_short: whether there are too few devices to serve that many, at whatever price.
    """

    per_device: Floats
    modes: Ints
    densities: Floats
    served: Ints
    bound: float
    is_short: bool = False


class Market:
    """Prices any part of an instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._of_all: dict[int, Prices] = {}
        self._weights = instance.weights.astype(np.float64)
        starts = np.flatnonzero(instance.starts_lane)
        self._lane_type = instance.mode_type[starts]
        modes = np.where(instance.fits, np.arange(len(instance.capacities)), -1)
        last_modes = np.maximum.reduceat(modes, starts, axis=1)
        fits = last_modes >= 0
        self._last_modes = np.maximum(last_modes, 0)
        self._values = np.where(fits, instance.values[self._last_modes], -np.inf)
        self._shares = np.where(fits, 1.0 / np.maximum(instance.capacities[self._last_modes], 1), 0)
        self._fits = fits
        best = np.where(fits, instance.capacities[self._last_modes], 0)
        self._scale = np.array(
            [
                max(float(best[:, self._lane_type == number].max(initial=0)), 1.0)
                for number in range(instance.num_types)
            ]
        )

    def of_all(self, num_served: int) -> Prices:
        """Returns prices at which all devices serve that many of all streams, at least one."""
        if num_served not in self._of_all:
            instance = self._instance
            self._of_all[num_served] = self.prices(
                np.arange(instance.num_streams),
                np.bincount(instance.types, minlength=instance.num_types),
                num_served,
            )
        return self._of_all[num_served]

    def losses(self, num_devices: Floats) -> Floats:
        """Returns (streams, lanes) what a unit of each stream's weight loses in each lane against the one that it prefers.

        At the prices at which all are served, or as many as can be. Infinite where a stream does not fit.

        Args:
            num_devices: (types,) to share out.
        """
        streams = np.arange(len(self._weights))
        prices = self._clear(streams, num_devices, self._values, len(streams), None)
        per_device = prices.per_device[self._lane_type]
        losses: Floats = prices.densities[:, None] - (self._values - per_device * self._shares)
        return losses

    def most_served(self, streams: Ints, num_devices: Ints) -> int:
        """Returns an upper bound of the number of streams that so many devices can serve."""
        if not len(streams) or not num_devices.sum():
            return 0
        rewards = 1.0 / self._instance.weights[streams]
        offers = np.where(self._fits[streams], rewards[:, None], -np.inf)
        prices = self._clear(streams, num_devices, offers, None, None)
        return min(len(streams), math.floor(prices.bound + 1e-6))

    def prices(
        self,
        streams: Ints,
        num_devices: Ints,
        num_served: int,
        start: Floats | None = None,
    ) -> Prices:
        """Returns prices at which that many of the streams are served.

        Args:
            streams: numbers of at least one stream within the instance.
            num_devices: (types,) devices to share out.
            num_served: how many streams; those that cost least against what they bring.
            start: (types,) prices to begin with.
        """
        return self._clear(streams, num_devices, self._values[streams], num_served, start)

    def _clear(
        self,
        streams: Ints,
        num_devices: Floats | Ints,
        offers: Floats,
        num_served: int | None,
        start: Floats | None,
    ) -> Prices:
        """Raises and lowers prices until demand meets supply; `None` serves whom it pays to serve."""
        stride = -(-len(streams) // SAMPLE)
        if stride > 1:
            some = slice(None, None, stride)
            share = len(streams[some]) / len(streams)
            some_prices = self._clear(
                streams[some],
                (num_devices * share).astype(np.float64),
                offers[some],
                None if num_served is None else round(num_served * share),
                start,
            )
            demand = Demand(
                self._lane_type, self._weights[streams], self._shares[streams], offers, num_served
            )
            return self._prices(
                demand, streams, num_devices, some_prices.per_device, some_prices.is_short
            )
        demand = Demand(
            self._lane_type, self._weights[streams], self._shares[streams], offers, num_served
        )
        reach = self._scale * float(offers.max(initial=0.0) or 1.0)
        has_devices = num_devices > 0
        current = np.where(has_devices, 0.0, reach * MAX_PRICE_RATIO)
        ray = self._scale if start is None else np.maximum(start, 1e-3 * reach)

        def excess_along_ray(factor: float) -> float:
            used = demand.used(np.where(has_devices, factor * ray, current))
            return float((used - num_devices)[has_devices] @ ray[has_devices])

        guess = float(offers.max(initial=0.0) or 1.0) / 2 if start is None else 1.0
        factor = lowest(excess_along_ray, guess, guess * MAX_PRICE_RATIO)
        current = np.where(has_devices, factor * ray, current)
        tried = [current]
        several = np.flatnonzero(has_devices).tolist()
        for _ in range(PASSES if len(several) > 1 else 0):
            for number in several:
                excess = demand.excess_of_type(number, current, float(num_devices[number]))
                price = lowest(
                    excess,
                    max(float(current[number]), 1e-6 * float(reach[number])),
                    float(reach[number]) * MAX_PRICE_RATIO,
                )
                current = current.copy()
                current[number] = price
            tried.append(current)
        is_short = factor >= guess * MAX_PRICE_RATIO
        found = [self._prices(demand, streams, num_devices, each, is_short) for each in tried]
        return min(found, key=lambda prices: prices.bound)

    def _prices(
        self,
        demand: Demand,
        streams: Ints,
        num_devices: Floats | Ints,
        per_device: Floats,
        is_short: bool,
    ) -> Prices:
        """What the streams would do at these prices of devices."""
        wish = demand.at(per_device)
        return Prices(
            per_device,
            self._last_modes[streams, wish.lanes],
            wish.densities,
            wish.served,
            float(per_device @ num_devices + wish.nets[wish.served].sum()),
            is_short,
        )
