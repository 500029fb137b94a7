"""Modes: what a device can run, and what that costs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from .checks import require_positive

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

    def throughput_fps(self, mode: Mode) -> float:
        """What a device carries in that mode; the load stays below. The one place where that is said.

        Source: Jellyfish, throughput from the tail of what a batch takes.
        """
        return 1000.0 * mode.batch_size / self.p99_ms(mode)

    def slowed(self, ratio: float, broken: Collection[int] = ()) -> ModeTable:
        """The table of a device on which all takes `ratio` times as long, and some variants cannot run."""

        def scaled(rows: Rows) -> Rows:
            return tuple(
                (NEVER_MS,) * len(row) if variant in broken else tuple(ratio * ms for ms in row)
                for variant, row in enumerate(rows)
            )

        return ModeTable(scaled(self.p99_rows_ms), scaled(self.p50_rows_ms))


@lru_cache(maxsize=1024)
def _modes(variant: int, most: int) -> tuple[Mode, ...]:
    return tuple(Mode(variant, size) for size in range(1, most + 1))
