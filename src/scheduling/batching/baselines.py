"""Baselines: a fixed batch size, which is the published executor's rule, and a fixed interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...core.verdict import Reason
from .port import Batch, BatchDecision, DeviceState, QueuedFrame

DROP_MARGIN_MS = 5.0  # a frame may run although it is predicted up to this late
WAIT_MARGIN_MS = 10.0  # waiting ends when the tightest frame has no more than this to spare


def _lazily_dropped(
    frames: Sequence[QueuedFrame], batch_ms: float, now_ms: float
) -> tuple[tuple[int, Reason], ...]:
    """Drops the frames that a batch of that duration would answer too late, past the margin.

    Source: Jellyfish, lazy drop.
    """
    return tuple(
        (frame.key, Reason.TOO_LATE)
        for frame in frames
        if now_ms + batch_ms > frame.deadline_ms + DROP_MARGIN_MS
    )


class FixedBatcher:
    """Runs batches of one size, oldest frames first; smaller ones if the tightest cannot wait.

    Source: Jellyfish, executor loop; without its padding of small batches.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size

    def decide(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        """Decides for an idle device; see `Batcher`."""
        size = min(self._batch_size, device.batch_size)
        batch_ms = device.latency.p99_ms[size - 1]
        ready = [frame for frame in queue if frame.is_ready]
        drop = _lazily_dropped(ready, batch_ms, now_ms)
        dropped = {key for key, _ in drop}
        picked = [frame for frame in ready if frame.key not in dropped][:size]
        if not picked:
            return BatchDecision(drop=drop)
        latest_start_ms = min(frame.deadline_ms for frame in picked) - batch_ms - WAIT_MARGIN_MS
        if len(picked) < size and now_ms < latest_start_ms:
            return BatchDecision(drop=drop, wait_until_ms=latest_start_ms)
        return BatchDecision(run=tuple(frame.key for frame in picked), drop=drop)

    def ran(self, batch: Batch, took_ms: float) -> None:
        """Needs not know."""


class IntervalBatcher:
    """Starts batches at least one interval apart, of whatever waits, oldest frames first."""

    def __init__(self, interval_ms: float) -> None:
        self._interval_ms = interval_ms
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
        drop = _lazily_dropped(ready, device.latency.p99_ms[size - 1], now_ms)
        dropped = {key for key, _ in drop}
        run = tuple(frame.key for frame in ready if frame.key not in dropped)[:size]
        return BatchDecision(run=run, drop=drop)

    def ran(self, batch: Batch, took_ms: float) -> None:
        """Counts the interval from its start."""
        self._next_start_ms = batch.start_ms + self._interval_ms
