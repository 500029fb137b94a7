"""What one device decides, in the server and in the simulator: which plan holds, and what runs next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...core.profile import BatchLatency
from ..batching.port import BatchDecision, Batcher, DeviceState, QueuedFrame
from ..pacing import PROBE_PERIOD_MS, SHORTEST_WAIT_MS, STATUS_PERIOD_MS
from ..slowdown import Slowdown

DECODE_WEIGHT = 0.1
PROBE_RATIO = 1.05  # a device that is slower than that, and idle, is looked after
DOUBT_MS = 20.0  # until an idle device is asked again that may be as good as lost
NEWS_RATIO = 1.1  # a change that the scheduler hears of at once


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
        self, latencies: Mapping[str, BatchLatency], batcher: Batcher, first_decode_ms: float = 0.0
    ) -> None:
        """Starts without a variant.

        Args:
            latencies: its profile, by variant.
            batcher: of its own.
            first_decode_ms: what decoding a frame is taken to cost at first; 0 if none is decoded.
        """
        self.active = ""
        self.orders = DeviceOrders("", 1, 0.0, 0)
        self.num_batches = 0
        self._latencies = latencies
        self._batcher = batcher
        self._wished = self.orders
        self._slowdown = Slowdown()
        self._decode_ms = first_decode_ms
        self._ran_ms = -math.inf
        self._status_at_ms = 0.0
        self._told_ratio = 1.0

    @property
    def latency(self) -> BatchLatency:
        """Of the active variant."""
        return self._latencies[self.active]

    @property
    def batch_size(self) -> int:
        """The largest batch that the plan and the active variant allow; 1 where a device may be as good as lost."""
        if self._slowdown.is_in_doubt:
            return 1
        return min(max(1, self.orders.batch_size), self.latency.max_batch_size)

    @property
    def slowdown_ratio(self) -> float:
        """Recent batch time over the profile's median."""
        return self._slowdown.ratio

    @property
    def spread_ratio(self) -> float:
        """How much wider than profiled batches spread: p99 over median, over the same of the profile."""
        return self._slowdown.spread_ratio

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
            self._slowdown.ratio,
            self._decode_ms,
        )
        decision = self._batcher.decide(queue, state, now_ms)
        wait_ms = decision.wait_until_ms
        if wait_ms is None:
            return decision
        return replace(decision, wait_until_ms=max(wait_ms, now_ms + SHORTEST_WAIT_MS))

    def is_hopeless(self, deadline_ms: float, now_ms: float) -> bool:
        """Whether a frame could not be in time even if it ran alone at once."""
        return deadline_ms < now_ms + self.latency.p50_ms[0] * self._slowdown.ratio

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
        if self._slowdown.ratio <= PROBE_RATIO or not self.active:
            return math.inf
        return self._ran_ms + PROBE_PERIOD_MS

    def is_status_due(self, now_ms: float) -> bool:
        """Whether the scheduler should hear of the device; of one that may be as good as lost, when that is settled."""
        if self._slowdown.is_in_doubt:
            return False  # it would take a word for a sign of life
        ratio = self._slowdown.ratio / self._told_ratio
        is_news = max(ratio, 1 / ratio) >= NEWS_RATIO
        return is_news or now_ms - self._status_at_ms >= STATUS_PERIOD_MS

    def told(self, now_ms: float) -> None:
        """The scheduler has been told how the device does."""
        self._status_at_ms = now_ms
        self._told_ratio = self._slowdown.ratio
