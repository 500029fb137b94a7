"""How a device does: how slow it is, what decoding takes, when it is probed, and when others hear of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ....core.profile import BatchLatency
from ...batching.port import Batch
from ...pacing import PROBE_PERIOD_MS, STATUS_PERIOD_MS
from ...slowdown import Slowdown
from ...slowness import AS_PROFILED, Slowness

DECODE_WEIGHT = 0.1
PROBE_RATIO = 1.05  # a device that is slower than that, and idle, is looked after
DOUBT_MS = 20.0  # until an idle device is asked again that may be as good as lost
NEWS_RATIO = 1.1  # a change that the scheduler hears of at once
FRESH_RATIO = 1.02  # what is expected is worked out anew when it is off by more
HANG_LEAST_MS = 1500.0  # a batch is given up after that, or twice that
HANG_RATIO = (
    13.0  # of the p99: throttling can make a device 12 times as slow from one batch to the next
)
HANG_SLOW_RATIO = 4.0  # of what is expected of a device that is known to be slow


class Condition:
    """Learns from batches.

    Attributes:
        decode_ms: recent time to decode a frame.
        slowdown: how slow the device is beside its profile, at the clock that it runs at.
        own: likewise, at its own clock.
    """

    def __init__(
        self,
        latencies: Mapping[str, BatchLatency],
        first_decode_ms: float,
        slowness: Slowness = AS_PROFILED,
        clock_mhz: float | None = None,
    ) -> None:
        """Starts with what was learned before; `latencies` is the profile, by variant, at the device's own clock."""
        self.decode_ms = first_decode_ms
        self._by_clock: dict[float | None, Slowdown] = {}
        self._take_clock(clock_mhz, latencies, slowness)
        self.own = self.slowdown
        self._ran_ms = -math.inf
        self._status_at_ms = 0.0
        self._told = AS_PROFILED

    def _take_clock(
        self, clock_mhz: float | None, latencies: Mapping[str, BatchLatency], first: Slowness
    ) -> None:
        self._latencies = latencies
        self._span_ms = (
            min(one.p50_ms[0] for one in latencies.values()),
            max(one.p50_ms[-1] for one in latencies.values()),
        )
        if clock_mhz not in self._by_clock:
            self._by_clock[clock_mhz] = Slowdown(self._span_ms, first)
        self.slowdown = self._by_clock[clock_mhz]
        self._seen = seen = self.slowdown.slowness
        self._expected: dict[str, BatchLatency] = {}
        self._expected_of = Slowness(seen.ratio, seen.extra_ms)

    def at_clock(self, clock_mhz: float | None, latencies: Mapping[str, BatchLatency]) -> None:
        """The device runs at another clock, with that profile: a low clock is no slow device.

        Of a clock that is new, the device is taken to be as slow as it was at the last one.
        """
        self._take_clock(clock_mhz, latencies, self.slowdown.slowness)

    def expected(self, variant: str) -> BatchLatency:
        """What a variant takes on a device that is so slow; apart from chance, which would keep batches small."""
        if self.slowdown.slowness is not self._seen:
            self._seen = self.slowdown.slowness
            slowness = Slowness(self._seen.ratio, self._seen.extra_ms)
            if not self._is_like(slowness, self._expected_of, FRESH_RATIO):
                self._expected, self._expected_of = {}, slowness
        latency = self._expected.get(variant)
        if latency is None:
            latency = self._expected[variant] = self._expected_of.of(self._latencies[variant])
        return latency

    def hang_ms(self, batches: Iterable[Batch]) -> float:
        """What no such batches take that ever end, one after the other."""
        total_ms = 0.0
        for batch in batches:
            slow_ms = self.expected(batch.variant).p99_ms[batch.size - 1]
            total_ms += max(HANG_RATIO * batch.p99_ms, HANG_SLOW_RATIO * slow_ms)
        return max(HANG_LEAST_MS, total_ms)

    def ran(self, batch: Batch, took_ms: float, now_ms: float) -> None:
        """Learns from a batch that went well, blank or not."""
        self._ran_ms = now_ms
        self.slowdown.add(took_ms, batch.p50_ms, batch.p99_ms, now_ms)

    def decoded(self, decode_ms: float) -> None:
        """Learns from the frames of a batch; `decode_ms` is the mean time to decode one of them."""
        self.decode_ms += DECODE_WEIGHT * (decode_ms - self.decode_ms)

    def probing(self, now_ms: float) -> None:
        """A blank batch begins; whatever becomes of it, the next one has time."""
        self._ran_ms = now_ms

    def probe_at_ms(self) -> float:
        """When an idle device should run a blank frame, to learn whether it is still slow; infinite if it is not."""
        if self.slowdown.is_in_doubt:
            return self._ran_ms + DOUBT_MS
        if max(map(self.slowdown.slowness.at, self._span_ms)) <= PROBE_RATIO:
            return math.inf
        return self._ran_ms + PROBE_PERIOD_MS

    def is_status_due(self, now_ms: float) -> bool:
        """Whether the scheduler should hear of the device; of one that may be as good as lost, when that is settled."""
        if self.slowdown.is_in_doubt:
            return False  # it would take a word for a sign of life
        is_news = not self._is_like(self.slowdown.slowness, self._told, NEWS_RATIO)
        return is_news or now_ms - self._status_at_ms >= STATUS_PERIOD_MS

    def told(self, now_ms: float) -> None:
        """The scheduler has been told how the device does."""
        self._status_at_ms = now_ms
        self._told = self.slowdown.slowness

    def _is_like(self, one: Slowness, other: Slowness, ratio: float) -> bool:
        """Whether they differ by less than that, in the middle and in the tail of every mode."""
        if one is other:
            return True
        changes = one.over(other, self._span_ms)
        return max(changes) < ratio and min(changes) * ratio > 1
