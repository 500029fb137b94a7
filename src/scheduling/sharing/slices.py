"""How a quantum of device time is divided: each keeps a part of its fair time, the rest evens out the energy.

`phi` is the time-fair factor: 1 divides time by weight, 0 energy by weight, and in between everybody keeps at least
the share `phi` of its fair time.

Source: Energy Time Fairness (SEC 2023), whose scheduler is `greedy_slices_us`.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.checks import require_count

UNIT_US = 1000
"""The greedy rule hands out the rest in pieces of this."""


@dataclass(frozen=True, slots=True)
class Sharer:
    """Somebody who has something to run on a device.

    Attributes:
        weight: its part of the time, against those of others.
        power_mw: what the device draws while it runs for this one.
    """

    weight: int
    power_mw: int

    def __post_init__(self) -> None:
        require_count("weight", self.weight)
        require_count("power_mw", self.power_mw)


def greedy_slices_us(sharers: Sequence[Sharer], quantum_us: int, phi: float) -> tuple[int, ...]:
    """Divides a quantum in whole microseconds; the slices add up to it.

    What guaranteed parts leave goes piece by piece to whom has least energy by weight; of equals to whom
    has waited longest, at first in the order of the sharers.

    Args:
        sharers: of all who have something to run.
        quantum_us: to divide.
        phi: 0 to 1.
    """
    total = sum(sharer.weight for sharer in sharers)
    slices = [int(phi * sharer.weight / total * quantum_us) for sharer in sharers]
    queue = [(_energy_uj(sharer, slices[k]), k, k) for k, sharer in enumerate(sharers)]
    heapq.heapify(queue)
    left_us, turn = quantum_us - sum(slices), len(queue)
    while left_us > 0:
        piece_us = min(UNIT_US, left_us)
        k = queue[0][2]
        slices[k] += piece_us
        left_us -= piece_us
        heapq.heapreplace(queue, (_energy_uj(sharers[k], slices[k]), turn, k))
        turn += 1
    return tuple(slices)


def exact_slices_us(sharers: Sequence[Sharer], quantum_us: float, phi: float) -> tuple[float, ...]:
    """Divides a quantum as the greedy rule would with pieces that vanish: water filling.

    Everybody has its guaranteed part, or what brings its energy by weight to a level that all others who have more
    than their part share; the slices add up to the quantum. Arguments as of `greedy_slices_us`.
    """
    total = sum(sharer.weight for sharer in sharers)
    kept = [phi * sharer.weight / total * quantum_us for sharer in sharers]
    rates = [sharer.weight / sharer.power_mw for sharer in sharers]  # of time by level
    by_level = sorted(range(len(sharers)), key=lambda k: kept[k] / rates[k])
    left_us, filling, level = quantum_us - sum(kept), 0.0, 0.0
    for place, k in enumerate(by_level):
        left_us += kept[k]
        filling += rates[k]
        level = left_us / filling
        if place + 1 < len(by_level):
            following = by_level[place + 1]
            if level <= kept[following] / rates[following]:
                break
    return tuple(max(own, level * rate) for own, rate in zip(kept, rates, strict=True))


def require_phi(phi: float) -> float:
    """Returns `phi` if it is in [0, 1]; else raises ValueError, naming value and range."""
    if not 0 <= phi <= 1:
        raise ValueError(f"phi={phi:g}: must be within 0..1")
    return phi


def _energy_uj(sharer: Sharer, slice_us: int) -> int:
    return int(sharer.power_mw * 1e-3 * slice_us * (1024 / sharer.weight))
