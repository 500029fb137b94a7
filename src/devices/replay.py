"""What replayed and simulated devices obey: how long their batches take, and how slow they are over time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ..core.checks import echo
from ..core.profile import BatchLatency

P99_EVERY = 100
LEAST_FACTOR, MOST_FACTOR = 0.01, 1000.0


@dataclass(frozen=True, slots=True)
class SlowdownScript:
    """Steps of a factor on the time of every batch that begins from then on; 1 before the first.

    Attributes:
        starts_s: when each step begins, rising.
        factors: of each step; 2 is twice as long as the profile says.
    """

    starts_s: tuple[float, ...] = ()
    factors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.starts_s) != len(self.factors):
            raise ValueError("every step has a start and a factor")
        if not all(0 <= start < math.inf for start in self.starts_s) or list(
            self.starts_s
        ) != sorted(set(self.starts_s)):
            raise ValueError("steps must begin at 0 s or later, each after the one before")
        if not all(LEAST_FACTOR <= factor <= MOST_FACTOR for factor in self.factors):
            raise ValueError(f"factors must be within {LEAST_FACTOR:g}..{MOST_FACTOR:g}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `SECONDS:FACTOR+SECONDS:FACTOR...`, as in `10:2+15:1`; nothing is an empty script.

        Raises:
            ValueError: naming text and rule.
        """
        try:
            pairs = [step.split(":") for step in text.split("+") if text]
            steps = [(float(start), float(factor)) for start, factor in pairs]
        except ValueError:
            raise ValueError(f"{echo(text)}: must be like 10:2+15:1, seconds and factors") from None
        try:
            return cls(tuple(start for start, _ in steps), tuple(factor for _, factor in steps))
        except ValueError as error:
            raise ValueError(f"{echo(text)}: {error}") from None

    def factor(self, at_ms: float) -> float:
        """What holds at a time since the start."""
        step = bisect_right(self.starts_s, at_ms / 1000.0)
        return self.factors[step - 1] if step else 1.0


ALWAYS_AS_PROFILED = SlowdownScript()


class ReplayedLatency:
    """A profile's median for the real batch size, and its p99 in one batch of a hundred."""

    def __init__(self, latency: Mapping[str, BatchLatency], p99_every: int = P99_EVERY) -> None:
        """Takes the latencies by variant, and every how many batches the p99 is taken; 0 for never."""
        self._latency = latency
        self._p99_every = p99_every
        self._num_batches = 0

    def next_ms(self, variant: str, batch_size: int) -> float:
        """The time of the next batch; raises KeyError if the variant's latency is not known."""
        latency = self._latency[variant]
        self._num_batches += 1
        is_slow = self._p99_every > 0 and self._num_batches % self._p99_every == 0
        table = latency.p99_ms if is_slow else latency.p50_ms
        return table[batch_size - 1]
