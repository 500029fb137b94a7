"""A planning problem as arrays: who fits what, in whole units of rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.mode import Mode, ModeCost, ModeTable
from ...core.problem import Problem
from ...core.stream import Stream
from .capacity import EQUAL_RATIO, limit_fps
from .subset_sum import MAX_UNITS, common_unit_fps

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OWN_CLOCK = math.inf  # of a mode that asks for none: mostly the highest
_STREAM_FIELDS = [field.name for field in fields(Stream)[1:] if field.init]  # numbers


@dataclass(frozen=True, slots=True)
class Instance:
    """What planners that compute with arrays need to know of a `Problem`.

    Each device type has modes of its own here, ordered by type, variant, clock and batch size; only those are listed to which
    no other of the variant is preferable. They are in lanes, of one type, variant and clock, within which each mode carries more than
    the one before, and is worth no less. So whose budget fits a mode fits the one before it too, within its lane.

    Attributes:
        problem: what this was built from.
        streams: index into the problem's streams, for each of the N servable streams that fit some
            mode. All other arrays over streams follow this order.
        unit_fps: the unit of rate.
        weights: (N,) rate of each stream in whole units; rounded up where there is no common unit.
        budgets_ms: (N, variants).
        fits: (N, modes) whether the stream fits the mode, as far as it alone is concerned.
        mode_type, mode_variant, mode_batch: (modes,) what a mode is; types are numbers.
        mode_clock: (modes,) MHz; `OWN_CLOCK` where the device's own is left alone.
        capacities: (modes,) the most weight a device in that mode carries.
        accuracies: (modes,) accuracy of the mode's variant.
        values: (modes,) what a frame is worth in it: that, less the price of its joules.
        starts_lane: (modes,) whether the mode is the first of its lane.
        types: (devices,) type number of each device.
        num_types: how many types there are.
    """

    problem: Problem
    streams: Ints
    unit_fps: float
    weights: Ints
    budgets_ms: Floats
    fits: Bools
    mode_type: Ints
    mode_variant: Ints
    mode_batch: Ints
    mode_clock: Floats
    capacities: Ints
    accuracies: Floats
    values: Floats
    starts_lane: Bools
    types: Ints
    num_types: int

    @property
    def worthless(self) -> float:
        """Below what any plan is worth."""
        return float(min(self.values.min(initial=0.0), 0.0) * self.weights.sum()) - 1.0

    @property
    def num_devices(self) -> int:
        """How many devices there are to plan for."""
        return len(self.types)

    @property
    def num_streams(self) -> int:
        """How many streams could be served at all."""
        return len(self.streams)


def build(problem: Problem, max_units: int = MAX_UNITS) -> Instance:
    """Builds the arrays of a problem.

    Args:
        problem: what to build them of.
        max_units: how many units of rate a device may carry at most; the more, the finer rates are
            told apart that have no simple unit in common.
    """
    variants = problem.variants
    names = list(dict.fromkeys(device.device_type for device in problem.devices))
    budgets = budgets_table_ms(problem)
    servable = np.flatnonzero(budgets[:, 0] > 0)
    budgets = budgets[servable]
    rates = [problem.streams[stream].fps for stream in servable]

    tables = [_useful_modes(problem.tables[name], problem.price_per_joule > 0) for name in names]
    number, size, clocks, latency, limits, energy_mj, starts = np.vstack(
        [np.empty((0, len(_COLUMNS))), *tables]
    ).T
    mode_variant = number.astype(np.int64)
    mode_type = np.repeat(np.arange(len(names)), [len(table) for table in tables])
    unit_fps, weights, capacities = _in_units(rates, limits, max_units)
    accuracies = np.array([variant.accuracy for variant in variants], np.float64)[mode_variant]
    fits = (budgets[:, mode_variant] >= 2 * latency) & (weights[:, None] <= capacities)
    possible = fits.any(axis=1)
    number_of = {name: number for number, name in enumerate(names)}
    return Instance(
        problem=problem,
        streams=servable[possible],
        unit_fps=unit_fps,
        weights=weights[possible],
        budgets_ms=budgets[possible],
        fits=fits[possible],
        mode_type=mode_type.astype(np.int64),
        mode_variant=mode_variant,
        mode_batch=size.astype(np.int64),
        mode_clock=clocks,
        capacities=capacities,
        accuracies=accuracies,
        values=accuracies - problem.price_per_joule * energy_mj / 1000,
        starts_lane=starts > 0,
        types=np.array([number_of[device.device_type] for device in problem.devices], np.int64),
        num_types=len(names),
    )


def budgets_table_ms(problem: Problem) -> Floats:
    """(streams, variants) as `Problem.budgets_ms`: the same arithmetic on columns."""
    rule = problem.budget_rule
    columns = _columns(problem.streams)
    frame_kbits: Any = np.array([one.frame_kbits for one in problem.variants], np.float64)
    with np.errstate(divide="ignore"):
        left_ms = rule.left_ms(columns, frame_kbits, problem.overhead_ms)
    budgets_ms = np.where(rule.allows(columns, frame_kbits), np.maximum(0.0, left_ms), 0.0)
    return np.broadcast_to(budgets_ms, (len(problem.streams), len(frame_kbits)))


def _columns(streams: Sequence[Stream]) -> Stream:
    """All streams as one whose fields are columns."""
    columns = object.__new__(Stream)  # what it checks are single values
    rows = list(map(attrgetter(*_STREAM_FIELDS), streams))
    table = np.array(rows, np.float64).reshape(len(streams), len(_STREAM_FIELDS))
    for number, name in enumerate(_STREAM_FIELDS):
        object.__setattr__(columns, name, table[:, [number]])
    return columns


_COLUMNS = ("variant", "batch_size", "clock_mhz", "p99_ms", "limit_fps", "energy_mj", "starts_lane")


@lru_cache(maxsize=64)  # plan after plan asks of the same tables
def _useful_modes(table: ModeTable, do_joules_count: bool) -> Floats:
    """(modes, columns) of each variant those that carry more than every one with a latency as short, or take less energy where that counts."""
    useful: list[tuple[float, ...]] = []
    clocks = table.at_each_clock if do_joules_count else (table,)
    for variant in range(table.num_variants):
        lanes = [one.costs(variant) for one in clocks]
        kept = _undominated([*chain(*lanes)]) if do_joules_count else None
        for lane in lanes:
            last_fps, last_mj = 0.0, 0.0
            for cost in sorted(lane, key=lambda one: (one.p99_ms, -one.mode.batch_size)):
                size, clock_mhz = cost.mode.batch_size, cost.mode.clock_mhz
                carries_more = cost.throughput_fps > last_fps
                energy_mj = (cost.above_idle_mj or 0.0) if do_joules_count else 0.0
                if carries_more if kept is None else cost.mode in kept:
                    starts = not (last_fps and carries_more and (energy_mj <= last_mj))
                    clock = OWN_CLOCK if clock_mhz is None else clock_mhz
                    limit = limit_fps(cost)
                    useful.append((variant, size, clock, cost.p99_ms, limit, energy_mj, starts))
                    last_fps, last_mj = cost.throughput_fps, energy_mj
    return np.array(useful, np.float64)


def _undominated(costs: Sequence[ModeCost]) -> set[Mode]:
    """Modes of one variant to which none is preferable: as quick, as roomy, of as little energy."""
    table = np.array([(one.p99_ms, -one.throughput_fps, one.above_idle_mj) for one in costs])
    no_worse = (table[:, None] <= table[None, :]).all(axis=2)
    first = np.arange(len(costs))
    preferable = no_worse & (~no_worse.T | (first[:, None] < first[None, :]))
    return {costs[number].mode for number in np.flatnonzero(~preferable.any(axis=0)).tolist()}


def _in_units(
    rates_fps: list[float], limits_fps: Floats, max_units: int
) -> tuple[float, Ints, Ints]:
    """Returns a unit, rates and limits in it as whole numbers; a set that keeps these keeps those."""
    most_fps = min(float(limits_fps.max(initial=0.0)), math.fsum(rates_fps))
    unit_fps = common_unit_fps(rates_fps)
    if unit_fps is not None and most_fps <= max_units * unit_fps:
        weights = [round(rate / unit_fps) for rate in rates_fps]
    elif rates_fps and len(limits_fps):
        unit_fps = most_fps / max_units
        weights = [math.ceil(rate / unit_fps) for rate in rates_fps]
    else:  # nothing to place, or nowhere to place it
        unit_fps, weights = 1.0, [1] * len(rates_fps)
    safe_fps = unit_fps / (1 - EQUAL_RATIO)
    enough = max(max_units, sum(weights))  # more is not needed, and planners count up to it
    return (
        unit_fps,
        np.array(weights, np.int64),
        np.minimum(enough, np.floor(limits_fps / safe_fps)).astype(np.int64),
    )
