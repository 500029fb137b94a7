"""Of many clocks, those that are worth a look.

With joules counted each variant has a lane at each clock, and most of them are in no good plan. At the prices of the relaxation every
stream loses something in each lane against the one that it prefers; lanes are ranked by what those lose who lose least. Kept are all
lanes at the highest clock and those that carry most, so that whoever can be served still can, and half as many of the others, more where devices are few. What a plan then runs is looked up among
all modes again (`to_plan`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..instance import Bools, Floats, Instance, Ints
from .prices import Market

FEW_MODES = 300  # of all types together: so many are no burden
SAMPLE = 64  # streams that are asked, evenly spread
FEW_LOSERS_RATIO = 0.1  # of the streams: those who lose least in a lane
LANES_RATIO = 0.5  # kept at lowered clocks, over variants, where devices are many
LANES_OF_ONE = 8.0  # the same of a single device; of two half of that, and so on


def modes_worth_a_look(instance: Instance) -> Ints:
    """Returns the modes to plan with, in their order; all of them where they are few."""
    every = np.arange(len(instance.values))
    if not instance.problem.price_per_joule or len(every) <= FEW_MODES:
        return every
    starts = np.flatnonzero(instance.starts_lane)
    lane_of = np.cumsum(instance.starts_lane) - 1
    lane_type = instance.mode_type[starts]
    clocks = instance.mode_clock[starts]
    losses = _losses(instance)
    kept = np.zeros(len(starts), np.bool_)
    ratio = max(LANES_RATIO, LANES_OF_ONE / instance.num_devices)
    for number in range(instance.num_types):
        own = lane_type == number
        highest = own & (clocks == clocks[own].max())
        kept |= highest | (own & _is_roomiest(instance, starts))
        lower = np.flatnonzero(own & ~kept)
        ranked = lower[np.argsort(losses[lower], kind="stable")]
        kept[ranked[: int(ratio * highest.sum())]] = True
    return np.flatnonzero(kept[lane_of])


def _is_roomiest(instance: Instance, starts: Ints) -> Bools:
    """(lanes,) whether a lane carries most of its type and variant; where power is capped that need not be at the highest clock."""
    most = np.maximum.reduceat(instance.capacities, starts)
    kinds = instance.mode_type[starts], instance.mode_variant[starts]
    order = np.lexsort((-most, *kinds))
    is_first = np.ones(len(starts), np.bool_)
    is_first[1:] = np.any([np.diff(kind[order]) != 0 for kind in kinds], axis=0)
    roomiest = np.zeros(len(starts), np.bool_)
    roomiest[order[is_first]] = True
    return roomiest


def only(instance: Instance, modes: Ints) -> Instance:
    """Returns the instance with these modes alone."""
    if len(modes) == len(instance.values):
        return instance
    return replace(
        instance,
        fits=instance.fits[:, modes],
        mode_type=instance.mode_type[modes],
        mode_variant=instance.mode_variant[modes],
        mode_batch=instance.mode_batch[modes],
        mode_clock=instance.mode_clock[modes],
        capacities=instance.capacities[modes],
        accuracies=instance.accuracies[modes],
        values=instance.values[modes],
        starts_lane=instance.starts_lane[modes],
    )


def _losses(instance: Instance) -> Floats:
    """(lanes,) what a unit of weight of those streams loses there who lose least, at the prices of some streams."""
    some = np.unique(np.linspace(0, instance.num_streams - 1, SAMPLE).astype(np.int64))
    share = len(some) / instance.num_streams
    sample = replace(
        instance,
        streams=instance.streams[some],
        weights=instance.weights[some],
        budgets_ms=instance.budgets_ms[some],
        fits=instance.fits[some],
    )
    market = Market(sample)
    num_devices = np.bincount(instance.types, minlength=instance.num_types)
    losses = market.losses(share * num_devices.astype(np.float64))
    count = max(1, round(FEW_LOSERS_RATIO * len(some)))
    least: Floats = np.partition(losses, count - 1, axis=0)[:count].mean(axis=0)
    return least
