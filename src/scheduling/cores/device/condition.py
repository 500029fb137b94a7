"""How a device does: how slow it is, what decoding takes, when it is probed, and when others hear of it."""

from __future__ import annotations

import math

from ...batching.port import Batch
from ...pacing import PROBE_PERIOD_MS, STATUS_PERIOD_MS
from ...slowdown import Slowdown

DECODE_WEIGHT = 0.1
PROBE_RATIO = 1.05  # a device that is slower than that, and idle, is looked after
DOUBT_MS = 20.0  # until an idle device is asked again that may be as good as lost
NEWS_RATIO = 1.1  # a change that the scheduler hears of at once


class Condition:
    """Learns from batches.

    Attributes:
        decode_ms: recent time to decode a frame.
    """

    def __init__(self, first_decode_ms: float) -> None:
        self.decode_ms = first_decode_ms
        self._slowdown = Slowdown()
        self._ran_ms = -math.inf
        self._status_at_ms = 0.0
        self._told_ratio = 1.0

    @property
    def slowdown_ratio(self) -> float:
        """Recent batch time over the profile's median."""
        return self._slowdown.ratio

    @property
    def spread_ratio(self) -> float:
        """How much wider than profiled batches spread: p99 over median, over the same of the profile."""
        return self._slowdown.spread_ratio

    @property
    def is_in_doubt(self) -> bool:
        """Whether the device may be as good as lost, and the next batch tells."""
        return self._slowdown.is_in_doubt

    def ran(self, batch: Batch, took_ms: float, now_ms: float) -> None:
        """Learns from a batch that went well, blank or not."""
        self._ran_ms = now_ms
        self._slowdown.add(took_ms, batch.p50_ms, batch.p99_ms, now_ms)

    def decoded(self, decode_ms: float) -> None:
        """Learns from the frames of a batch; `decode_ms` is the mean time to decode one of them."""
        self.decode_ms += DECODE_WEIGHT * (decode_ms - self.decode_ms)

    def probing(self, now_ms: float) -> None:
        """A blank batch begins; whatever becomes of it, the next one has time."""
        self._ran_ms = now_ms

    def probe_at_ms(self) -> float:
        """When an idle device should run a blank frame, to learn whether it is still slow; infinite if it is not."""
        if self._slowdown.is_in_doubt:
            return self._ran_ms + DOUBT_MS
        if self._slowdown.ratio <= PROBE_RATIO:
            return math.inf
        return self._ran_ms + PROBE_PERIOD_MS

    def is_status_due(self, now_ms: float) -> bool:
        """Whether the scheduler should hear of the device; of one that may be as good as lost, when that is settled."""
        if self._slowdown.is_in_doubt:
            return False  # it would take a word for a sign of life
        ratio = self._slowdown.ratio / self._told_ratio
        is_news = ratio >= NEWS_RATIO or ratio * NEWS_RATIO <= 1
        return is_news or now_ms - self._status_at_ms >= STATUS_PERIOD_MS

    def told(self, now_ms: float) -> None:
        """The scheduler has been told how the device does."""
        self._status_at_ms = now_ms
        self._told_ratio = self._slowdown.ratio
