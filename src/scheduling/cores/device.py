"""What one device decides, in the server and in the simulator: which plan holds, and what runs next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...core.profile import BatchLatency
from ..batching.port import BatchDecision, Batcher, DeviceState, QueuedFrame
from ..pacing import PROBE_PERIOD_MS, SHORTEST_WAIT_MS, STATUS_PERIOD_MS
from ..slowdown import Slowdown
from ..slowness import AS_PROFILED, Slowness

DECODE_WEIGHT = 0.1
PROBE_RATIO = 1.05  # a device that is slower than that, and idle, is looked after
DOUBT_MS = 20.0  # until an idle device is asked again that may be as good as lost
NEWS_RATIO = 1.1  # a change that the scheduler hears of at once
FRESH_RATIO = 1.02  # what is expected of batches is worked out anew when it is off by more
HANG_LEAST_MS = 2000.0
HANG_RATIO = 20.0  # of the p99: a device may become as slow as can be from one batch to the next
HANG_SLOW_RATIO = 5.0  # of what is expected of a device that is known to be slow


@dataclass(frozen=True, slots=True)
class DeviceOrders:
    """What a plan asks of one device."""

    variant: str
    batch_size: int
    arrival_fps: float
    plan_epoch: int


class DeviceCore:
    """A device that runs one batch at a time.

    Attributes:
        active: the variant that runs; empty before the first.
        orders: the plan in force. A newer one is in force once its variant is active.
        num_batches: that have run.
    """

    def __init__(
        self,
        latencies: Mapping[str, BatchLatency],
        batcher: Batcher,
        first_decode_ms: float = 0.0,
        slowness: Slowness = AS_PROFILED,
    ) -> None:
        """Starts without a variant.

        Args:
            latencies: its profile, by variant.
            batcher: of its own.
            first_decode_ms: what decoding a frame is taken to cost at first; 0 if none is decoded.
            slowness: how slow it was when it ran last.
        """
        self.active = ""
        self.orders = DeviceOrders("", 1, 0.0, 0)
        self.num_batches = 0
        self._latencies = latencies
        self._batcher = batcher
        self._wished = self.orders
        self._span_ms = (
            min(one.p50_ms[0] for one in latencies.values()),
            max(one.p50_ms[-1] for one in latencies.values()),
        )
        self._slowdown = Slowdown(self._span_ms, slowness)
        self._expected = slowness
        self._expected_latency: dict[str, BatchLatency] = {}
        self._decode_ms = first_decode_ms
        self._ran_ms = -math.inf
        self._status_at_ms = 0.0
        self._told = AS_PROFILED

    @property
    def profiled(self) -> BatchLatency:
        """What the profile says of the active variant."""
        return self._latencies[self.active]

    @property
    def latency(self) -> BatchLatency:
        """What is expected of the active variant as slow as the device is."""
        slowness = self._slowdown.slowness
        if _difference(slowness, self._expected, self._span_ms) > FRESH_RATIO:
            self._expected = slowness
            self._expected_latency = {}
        latency = self._expected_latency.get(self.active)
        if latency is None:
            latency = self._expected_latency[self.active] = self._expected.of(self.profiled)
        return latency

    @property
    def batch_size(self) -> int:
        """The largest batch that the plan and the active variant allow; 1 where a device may be as good as lost."""
        if self._slowdown.is_in_doubt:
            return 1
        return min(max(1, self.orders.batch_size), self.profiled.max_batch_size)

    @property
    def slowness(self) -> Slowness:
        """How slow the device is."""
        return self._slowdown.slowness

    @property
    def is_far_off(self) -> bool:
        """Whether the device is as good as lost."""
        return self._slowdown.is_far_off

    def is_off_for_long(self, now_ms: float) -> bool:
        """Whether the profile should be measured again."""
        return self._slowdown.is_off_for_long(now_ms)

    def hang_ms(self, batch_size: int) -> float:
        """What a batch of the active variant that does not hang has ended in."""
        return max(
            HANG_LEAST_MS,
            HANG_RATIO * self.profiled.p99_ms[batch_size - 1],
            HANG_SLOW_RATIO * self.latency.p99_ms[batch_size - 1],
        )

    @property
    def decode_ms(self) -> float:
        """Recent time to decode a frame."""
        return self._decode_ms

    def probing(self, now_ms: float) -> None:
        """A blank batch begins; whatever becomes of it, the next one has time."""
        self._ran_ms = now_ms

    def wish(self, orders: DeviceOrders) -> None:
        """Takes a plan."""
        self._wished = orders
        self._take_orders()

    def activate(self, variant: str) -> None:
        """From now on that variant runs."""
        self.active = variant
        self._take_orders()

    def _take_orders(self) -> None:
        if self._wished.variant == self.active:
            self.orders = self._wished

    def decide(self, queue: Sequence[QueuedFrame], now_ms: float) -> BatchDecision:
        """What to do now with an idle device, that has a variant, and these waiting frames."""
        state = DeviceState(
            self.latency,
            self.batch_size,
            self.orders.arrival_fps,
            self._decode_ms,
        )
        decision = self._batcher.decide(queue, state, now_ms)
        wait_ms = decision.wait_until_ms
        if wait_ms is None:
            return decision
        return replace(decision, wait_until_ms=max(wait_ms, now_ms + SHORTEST_WAIT_MS))

    def is_hopeless(self, deadline_ms: float, now_ms: float) -> bool:
        """Whether a frame could not be in time even if it ran alone at once."""
        return deadline_ms < now_ms + self.latency.p50_ms[0]

    def ran(self, variant: str, batch_size: int, inference_ms: float, now_ms: float) -> None:
        """Learns from a batch that went well, blank or not.

        Args:
            variant: that ran.
            batch_size: frames that ran together; a blank one counts as a frame.
            inference_ms: what it took.
            now_ms: when it ended.
        """
        self.num_batches += 1
        self._ran_ms = now_ms
        latency, index = self._latencies[variant], batch_size - 1
        self._slowdown.add(inference_ms, latency.p50_ms[index], latency.p99_ms[index], now_ms)

    def decoded(self, decode_ms: float) -> None:
        """Learns from the frames of a batch; `decode_ms` is the mean time to decode one of them."""
        self._decode_ms += DECODE_WEIGHT * (decode_ms - self._decode_ms)

    def probe_at_ms(self) -> float:
        """When an idle device should run a blank frame, to learn whether it is still slow; infinite if it is not."""
        if self._slowdown.is_in_doubt:
            return self._ran_ms + DOUBT_MS
        if not self.active or self.slowness.at(self.profiled.p50_ms[0]) <= PROBE_RATIO:
            return math.inf
        return self._ran_ms + PROBE_PERIOD_MS

    def is_status_due(self, now_ms: float) -> bool:
        """Whether the scheduler should hear of the device; of one that may be as good as lost, when that is settled."""
        if self._slowdown.is_in_doubt:
            return False  # it would take a word for a sign of life
        is_news = _difference(self.slowness, self._told, self._span_ms) >= NEWS_RATIO
        return is_news or now_ms - self._status_at_ms >= STATUS_PERIOD_MS

    def told(self, now_ms: float) -> None:
        """The scheduler has been told how the device does."""
        self._status_at_ms = now_ms
        self._told = self.slowness


def _difference(one: Slowness, other: Slowness, span_ms: tuple[float, float]) -> float:
    """By what factor they differ in the middle or in the tail of any mode."""
    if one is other:
        return 1.0
    middles = [one.at(ms) / other.at(ms) for ms in span_ms]
    spread = one.spread_ratio / other.spread_ratio
    ratios = [*middles, *(spread * ratio for ratio in middles)]
    return max(*ratios, *(1 / ratio for ratio in ratios))
