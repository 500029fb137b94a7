"""Latency profiles: what one batch costs a device."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from .limits import LATENCY_MS


@dataclass(frozen=True, slots=True)
class BatchLatency:
    """Latency of one variant on one device type, by batch size.

    Attributes:
        p50_ms: median of batch 1, 2, ... frames.
        p99_ms: 99th percentile of the same; never below `p50_ms`, never falling with the batch.
    """

    p50_ms: tuple[float, ...]
    p99_ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.p99_ms or len(self.p50_ms) != len(self.p99_ms):
            raise ValueError(
                f"p50_ms and p99_ms must list the same batch sizes, at least one: "
                f"{len(self.p50_ms)} and {len(self.p99_ms)} given"
            )
        for value in (*self.p50_ms, *self.p99_ms):
            LATENCY_MS.require("latency_ms", value)
        for batch_size, (p50, p99) in enumerate(zip(self.p50_ms, self.p99_ms, strict=True), 1):
            if p99 < p50:
                raise ValueError(f"p99_ms={p99:g} of batch {batch_size}: below its p50_ms={p50:g}")
        for batch_size, (before, after) in enumerate(pairwise(self.p99_ms), 2):
            if after < before:
                raise ValueError(
                    f"p99_ms={after:g} of batch {batch_size}: below {before:g} of the batch before"
                )

    @property
    def max_batch_size(self) -> int:
        """The largest profiled batch."""
        return len(self.p99_ms)

    @classmethod
    def monotone(cls, p50_ms: tuple[float, ...], p99_ms: tuple[float, ...]) -> Self:
        """Builds a table from measurements, raising each p99 to the one of the batch before."""
        raised: list[float] = []
        for p50, p99 in zip(p50_ms, p99_ms, strict=True):
            raised.append(max(p50, p99, raised[-1] if raised else 0.0))
        return cls(p50_ms, tuple(raised))


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """Latency of every variant of a zoo on one device type.

    Attributes:
        device_type: what was measured.
        by_variant: variant name to latency by batch size.
    """

    device_type: str
    by_variant: dict[str, BatchLatency]
