"""Modes: what a device can run, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache

from .checks import require_positive

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
    clock_mhz: int | None = None


@dataclass(frozen=True, slots=True)
class ModeTable:
    """What each mode costs a device of one type. Whoever wants to know asks; how it is kept is the table's own.

    Attributes:
        p99_rows_ms: by variant, the 99th percentile of batch 1, 2, ...
        p50_rows_ms: the medians likewise; empty where only the tail is known, and then stands for both.
    """

    p99_rows_ms: Rows
    p50_rows_ms: Rows = ()

    def __post_init__(self) -> None:
        if not all(self.p99_rows_ms):
            raise ValueError("latency_ms: every variant needs the latency of at least batch 1")
        for row in (*self.p99_rows_ms, *self.p50_rows_ms):
            for value in row:
                require_positive("latency_ms", value)

    @property
    def num_variants(self) -> int:
        """Of how many variants it knows the modes."""
        return len(self.p99_rows_ms)

    def modes(self, variant: int) -> tuple[Mode, ...]:
        """The modes of a variant, the smallest batch first."""
        return _modes(variant, len(self.p99_rows_ms[variant]))

    def p99_ms(self, mode: Mode) -> float:
        """The 99th percentile of what a batch takes."""
        return self.p99_rows_ms[mode.variant][mode.batch_size - 1]

    def p50_ms(self, mode: Mode) -> float:
        """What a batch takes at the median."""
        return (self.p50_rows_ms or self.p99_rows_ms)[mode.variant][mode.batch_size - 1]

    @property
    def span_ms(self) -> tuple[float, float]:
        """The shortest median and the longest."""
        rows = self.p50_rows_ms or self.p99_rows_ms
        return min(row[0] for row in rows), max(row[-1] for row in rows)

    def throughput_fps(self, mode: Mode) -> float:
        """What a device carries in that mode; the load stays below. The one place where that is said.

        Many batches in a row take their mean, which a median tells that is known; the tail, at least, is what
        a steady device may be filled up to.

        Source: Jellyfish, throughput from the tail of what a batch takes.
        """
        batch_ms = min(self.p99_ms(mode), self.p50_ms(mode) / MOST_UTILISATION)
        return 1000.0 * mode.batch_size / batch_ms

    def published(self) -> ModeTable:
        """The table for planners that are to reckon as published: throughput from the tail."""
        return ModeTable(self.p99_rows_ms)

    def slowed(
        self,
        ratio_at: Callable[[float], float],
        spread_ratio: float = 1.0,
        broken: Collection[int] = (),
    ) -> ModeTable:
        """The table of a device that is slower than its profile, and on which some variants cannot run.

        Args:
            ratio_at: how many times as long a batch takes that has such a median (ms).
            spread_ratio: p99 over median, over the same of the profile.
            broken: variants that cannot run.
        """
        medians = self.p50_rows_ms or self.p99_rows_ms

        def scaled(rows: Rows, spread: float) -> Rows:
            return tuple(
                (NEVER_MS,) * len(row)
                if variant in broken
                else tuple(
                    spread * ratio_at(p50) * ms
                    for ms, p50 in zip(row, medians[variant], strict=True)
                )
                for variant, row in enumerate(rows)
            )

        return ModeTable(scaled(self.p99_rows_ms, spread_ratio), scaled(self.p50_rows_ms, 1.0))


@lru_cache(maxsize=1024)
def _modes(variant: int, most: int) -> tuple[Mode, ...]:
    return tuple(Mode(variant, size) for size in range(1, most + 1))
