"""Fixed interval: one batch every so often, of whatever waits. A baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...core.checks import require_positive
from .fixed import lazily_dropped
from .port import Batch, BatchDecision, DeviceState, QueuedFrame


class IntervalBatcher:
    """Starts batches at least one interval apart, oldest frames first."""

    def __init__(self, interval_ms: float) -> None:
        self._interval_ms = require_positive("interval_ms", interval_ms)
        self._next_start_ms = -math.inf

    def decide(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        """Decides for an idle device; see `Batcher`."""
        if now_ms < self._next_start_ms:
            return BatchDecision(wait_until_ms=self._next_start_ms)
        ready = [frame for frame in queue if frame.is_ready]
        size = min(len(ready), device.batch_size)
        if not size:
            return BatchDecision()
        drop = lazily_dropped(ready, device.latency.p99_ms[size - 1], now_ms)
        dropped = {key for key, _ in drop}
        run = tuple(frame.key for frame in ready if frame.key not in dropped)[:size]
        return BatchDecision(run=run, drop=drop)

    def ran(self, batch: Batch, took_ms: float, energy_mj: float | None = None) -> None:
        """Counts the interval from its start."""
        self._next_start_ms = batch.start_ms + self._interval_ms
