"""How long the batches of a replayed device take."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.profile import BatchLatency

P99_EVERY = 100


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
