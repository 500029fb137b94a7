"""What one device decides, in the server and in the simulator: which plan holds, and what runs next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.profile import BatchLatency
from .batching.port import BatchDecision, Batcher, DeviceState, QueuedFrame
from .pacing import SHORTEST_WAIT_MS, STATUS_PERIOD_MS
from .slowdown import Slowdown

DECODE_WEIGHT = 0.1


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
        self._status_at_ms = 0.0

    @property
    def latency(self) -> BatchLatency:
        """Of the active variant."""
        return self._latencies[self.active]

    @property
    def batch_size(self) -> int:
        """The largest batch that the plan and the active variant allow."""
        return min(max(1, self.orders.batch_size), self.latency.max_batch_size)

    @property
    def slowdown_ratio(self) -> float:
        """Recent batch time over the profile's median."""
        return self._slowdown.ratio

    @property
    def decode_ms(self) -> float:
        """Recent time to decode a frame."""
        return self._decode_ms

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

    def ran(self, inference_ms: float, expected_ms: float, decode_ms: float = 0.0) -> None:
        """Learns from a batch that went well.

        Args:
            inference_ms: what it took.
            expected_ms: the profile's median for it.
            decode_ms: mean time to decode one of its frames.
        """
        self.num_batches += 1
        self._slowdown.add(inference_ms, expected_ms)
        self._decode_ms += DECODE_WEIGHT * (decode_ms - self._decode_ms)

    def is_status_due(self, now_ms: float) -> bool:
        """Whether the scheduler should hear of the device."""
        return now_ms - self._status_at_ms >= STATUS_PERIOD_MS

    def told(self, now_ms: float) -> None:
        """The scheduler has been told how the device does."""
        self._status_at_ms = now_ms
