"""Modes: what a device can run, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple

from .checks import require_positive
from .profile import BatchLatency

MOST_UTILISATION = 0.95  # of what a device carries on the average; benchmarks/utilisation.py
NEVER_MS = 1e9  # as long as a variant takes that cannot run: no budget allows it

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, order=True)
class Mode:
    """What a device runs: one variant at one batch size and clock.

    Attributes:
        variant: index into the variants of its zoo.
        batch_size: the most frames of a batch.
        clock_mhz: None for the device's own.
    """

    variant: int
    batch_size: int
    clock_mhz: float | None = None


class ModeCost(NamedTuple):
    """What a mode costs a device.

    Attributes:
        mode: which one.
        p50_ms: what a batch takes at the median.
        p99_ms: the 99th percentile of it.
        throughput_fps: what the device carries; its load stays below.
        energy_mj: what a batch takes, as measured or predicted; None where that is unknown.
        frame_energy_mj: what one of its frames takes, smoothed: to compare modes by.
        above_idle_mj: the same above what the device draws while nothing runs, at its lowest clock: to plan by.
    """

    mode: Mode
    p50_ms: float
    p99_ms: float
    throughput_fps: float
    energy_mj: float | None = None
    frame_energy_mj: float | None = None
    above_idle_mj: float | None = None


class PowerTable(NamedTuple):
    """What a device draws while it runs a mode (W), and at each clock while nothing runs; None is its own clock."""

    power_w: Mapping[Mode, float]
    idle_w: Mapping[float | None, float]


@dataclass(frozen=True, slots=True)
class ModeTable:
    """What each mode costs a device of one type. Whoever wants to know asks; how it is kept is the table's own.

    Attributes:
        p99_rows_ms: by variant, the 99th percentile of batch 1, 2, ...
        p50_rows_ms: the medians likewise; empty where only the tail is known, and then stands for both.
        energy_rows_mj: what a batch takes likewise; empty where energy is unknown.
        frame_energy_rows_mj: what a frame of it takes, smoothed; given with that.
        clock_mhz: at which all this is so; None for the device's own clock.
        by_clock: the same at each clock that can be chosen, the lowest first.
        above_idle_rows_mj: what a frame takes above idle; never rises with the batch; empty where energy or idle power is unknown.
        idle_w: what the device draws while nothing runs, at its lowest clock; given with that.
        most_above_idle_w: what it may draw above that.
    """

    p99_rows_ms: Rows
    p50_rows_ms: Rows = ()
    energy_rows_mj: Rows = ()
    frame_energy_rows_mj: Rows = ()
    clock_mhz: float | None = None
    by_clock: tuple[ModeTable, ...] = ()
    above_idle_rows_mj: Rows = ()
    idle_w: float | None = None
    most_above_idle_w: float = math.inf
    _costs: tuple[tuple[ModeCost, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not all(self.p99_rows_ms):
            raise ValueError("latency_ms: every variant needs the latency of at least batch 1")
        for row in (*self.p99_rows_ms, *self.p50_rows_ms):
            for value in row:
                require_positive("latency_ms", value)
        for row in (*self.energy_rows_mj, *self.frame_energy_rows_mj, *self.above_idle_rows_mj):
            for value in row:
                require_positive("energy_mj", value)
        unknown = tuple((None,) * len(row) for row in self.p99_rows_ms)
        rows = zip(
            self.p50_rows_ms or self.p99_rows_ms,
            self.p99_rows_ms,
            self.energy_rows_mj or unknown,
            self.frame_energy_rows_mj or unknown,
            self.above_idle_rows_mj or unknown,
            strict=True,
        )
        costs = tuple(
            tuple(
                ModeCost(
                    Mode(variant, size, self.clock_mhz),
                    p50_ms,
                    p99_ms,
                    self._within_power(_throughput_fps(size, p50_ms, p99_ms), energies_mj[-1]),
                    *energies_mj,
                )
                for size, (p50_ms, p99_ms, *energies_mj) in enumerate(zip(*every, strict=True), 1)
            )
            for variant, every in enumerate(rows)
        )
        object.__setattr__(self, "_costs", costs)

    @property
    def num_variants(self) -> int:
        """Of how many variants it knows the modes."""
        return len(self._costs)

    def costs(self, variant: int) -> tuple[ModeCost, ...]:
        """The modes of a variant and what they cost, the smallest batch first."""
        return self._costs[variant]

    def latencies(self, variants: Iterable[str]) -> dict[str, BatchLatency]:
        """The same as latencies by the names of its variants, in their order."""
        medians_ms = self.p50_rows_ms or self.p99_rows_ms
        rows = zip(medians_ms, self.p99_rows_ms, strict=True)
        return {name: BatchLatency(*row) for name, row in zip(variants, rows, strict=True)}

    @property
    def every_cost(self) -> Iterator[ModeCost]:
        """Of all modes at this clock."""
        return chain.from_iterable(self._costs)

    def modes(self, variant: int) -> tuple[Mode, ...]:
        """The modes of a variant, the smallest batch first."""
        return tuple(cost.mode for cost in self._costs[variant])

    def at(self, clock_mhz: float | None) -> ModeTable:
        """The table at one clock; at None, of the device's own.

        Raises:
            ValueError: if the table has no such clock.
        """
        for table in (self, *self.by_clock):
            if table.clock_mhz == clock_mhz:
                return table
        clocks = ", ".join(f"{table.clock_mhz:g}" for table in self.by_clock) or "none"
        raise ValueError(f"clock_mhz={clock_mhz}: must be one of those in the table: {clocks}")

    def only_at(self, clocks_mhz: Collection[float]) -> ModeTable:
        """The table with those of its clocks alone that are within 1 MHz of one of these; its own is the highest of them.

        Raises:
            ValueError: if there is none.
        """
        some = tuple(
            one
            for one in self.by_clock
            if any(abs((one.clock_mhz or 0.0) - mhz) < 1 for mhz in clocks_mhz)
        )
        if not some:
            clocks = ", ".join(f"{one.clock_mhz:g}" for one in self.by_clock) or "none"
            raise ValueError(f"must name a clock of each device; one has {clocks}")
        return replace(some[-1], clock_mhz=None, by_clock=some)

    def cost(self, mode: Mode) -> ModeCost:
        """What one mode costs.

        Raises:
            ValueError: if the table has no such clock.
        """
        return self.at(mode.clock_mhz)._costs[mode.variant][mode.batch_size - 1]  # noqa: SLF001 a table too

    def p99_ms(self, mode: Mode) -> float:
        """The 99th percentile of what a batch takes."""
        return self.cost(mode).p99_ms

    @property
    def at_each_clock(self) -> tuple[ModeTable, ...]:
        """The table at each clock that can be chosen; itself where there is none."""
        return self.by_clock or (self,)

    @property
    def knows_joules(self) -> bool:
        """Whether it tells what frames take above idle, and what idle is."""
        return bool(self.above_idle_rows_mj) and self.idle_w is not None

    @property
    def span_ms(self) -> tuple[float, float]:
        """The shortest median and the longest."""
        return min(row[0].p50_ms for row in self._costs), max(row[-1].p50_ms for row in self._costs)

    def up_to(self, most_frames: int) -> ModeTable:
        """The table with no larger batches."""

        def cut(rows: Rows) -> Rows:
            return tuple(row[:most_frames] for row in rows)

        return replace(
            self,
            p99_rows_ms=cut(self.p99_rows_ms),
            p50_rows_ms=cut(self.p50_rows_ms),
            energy_rows_mj=cut(self.energy_rows_mj),
            frame_energy_rows_mj=cut(self.frame_energy_rows_mj),
            above_idle_rows_mj=cut(self.above_idle_rows_mj),
            by_clock=tuple(one.up_to(most_frames) for one in self.by_clock),
        )

    def capped(self, power_cap_w: float) -> ModeTable:
        """The table of a device that may draw no more than that, which bounds what it carries in each mode."""
        most_w = power_cap_w - (self.idle_w or 0.0)
        return replace(
            self,
            most_above_idle_w=most_w,
            by_clock=tuple(replace(one, most_above_idle_w=most_w) for one in self.by_clock),
        )

    def _within_power(self, throughput_fps: float, above_idle_mj: float | None) -> float:
        if above_idle_mj is None:
            return throughput_fps
        return min(throughput_fps, 1000 * self.most_above_idle_w / above_idle_mj)

    def published(self) -> ModeTable:
        """The table for planners that are to reckon as published: throughput from the tail."""
        return ModeTable(self.p99_rows_ms)

    def slowed(
        self,
        ratio_at: Callable[[float], float],
        spread_ratio: float = 1.0,
        broken: Collection[int] = (),
        reach_ms: float = 0.0,
    ) -> ModeTable:
        """The table of a device that is slower than its profile, and on which some variants cannot run.

        Args:
            ratio_at: how many times as long a batch takes that has such a median (ms).
            spread_ratio: p99 over median, over the same of the profile.
            broken: variants that cannot run.
            reach_ms: the way there and back. Half of it goes to each batch: a frame is planned to wait for one and to run in the next.
        """
        medians = self.p50_rows_ms or self.p99_rows_ms

        def scaled(rows: Rows, spread: float = 1.0, more_ms: float = 0.0) -> Rows:
            return tuple(
                (NEVER_MS,) * len(row)
                if variant in broken
                else tuple(
                    spread * ratio_at(p50) * value + more_ms
                    for value, p50 in zip(row, medians[variant], strict=True)
                )
                for variant, row in enumerate(rows)
            )

        return ModeTable(
            scaled(self.p99_rows_ms, spread_ratio, reach_ms / 2),
            scaled(self.p50_rows_ms, 1.0, reach_ms / 2),
            scaled(self.energy_rows_mj),  # its power stays the same
            scaled(self.frame_energy_rows_mj),
            self.clock_mhz,
            tuple(one.slowed(ratio_at, spread_ratio, broken, reach_ms) for one in self.by_clock),
            scaled(self.above_idle_rows_mj),
            self.idle_w,
        )


def latencies_by_clock(
    table: ModeTable | None, variants: Collection[str]
) -> dict[float, dict[str, BatchLatency]]:
    """The latencies by the names of a table's variants, in their order, at each clock that can be chosen; empty where there is none."""
    clocks = () if table is None else table.by_clock
    return {one.clock_mhz: one.latencies(variants) for one in clocks if one.clock_mhz is not None}


def nearest_clock(clocks_mhz: Iterable[float], mhz: float) -> float:
    """The one of a table's clocks that stands for what was read of a device, which seldom is one of them to the letter."""
    return min(clocks_mhz, key=lambda one: abs(one - mhz))


def _throughput_fps(batch_size: int, p50_ms: float, p99_ms: float) -> float:
    """The one place where it is said.

    Many batches in a row take their mean, which a median tells where it is known. A steady device may be filled up to its tail.

    Source: Jellyfish, throughput from the tail of what a batch takes, which is what is left where nothing else is known.
    """
    return 1000.0 * batch_size / min(p99_ms, p50_ms / MOST_UTILISATION)
