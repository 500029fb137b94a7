"""Devices: a queue, the batcher that the executors use, and a profile's time for each batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from ..core.profile import BatchLatency
from ..core.records import BatchRecord
from ..core.verdict import Reason
from ..devices.replay import ReplayedLatency
from ..devices.slowdown_script import ALWAYS_AS_PROFILED, SlowdownScript
from ..scheduling.batching.port import Batcher, QueuedFrame
from ..scheduling.cores.device import DeviceCore, DeviceOrders
from .events import EventQueue, Priority
from .frame import SimulatedFrame
from .scenario import Sampling

P99_SIGMAS = 2.3263478740408408  # the 99th percentile of a normal distribution

DrawMs = Callable[[str, int], float]
"""How long the next batch of a variant and size takes (ms)."""


def draw_latency(
    sampling: Sampling, latencies: Mapping[str, BatchLatency], random: Random
) -> DrawMs:
    """Returns what batch times are drawn with."""
    if sampling is Sampling.REPLAYED:
        return ReplayedLatency(latencies).next_ms

    def draw_ms(variant: str, batch_size: int) -> float:
        latency = latencies[variant]
        p50_ms, p99_ms = latency.p50_ms[batch_size - 1], latency.p99_ms[batch_size - 1]
        return p50_ms * math.exp(random.gauss(0.0, math.log(p99_ms / p50_ms) / P99_SIGMAS))

    return draw_ms


@dataclass(frozen=True, slots=True)
class VariantLoading:
    """How soon a device can change its variant.

    Attributes:
        variants: least accurate first.
        num_loaded: the active one and its neighbours, which are there by the time they are wished.
        load_ms: what loading another one takes; the active one runs on meanwhile.
    """

    variants: tuple[str, ...]
    num_loaded: int
    load_ms: float

    def delay_ms(self, active: str, wished: str) -> float:
        """From the wish until the variant can run."""
        distance = abs(self.variants.index(active) - self.variants.index(wished))
        return 0.0 if distance <= self.num_loaded // 2 else self.load_ms


class SimulatedDevice:
    """Runs one batch at a time; decides anew when a batch ends, a frame comes or a wait is over.

    Attributes:
        is_busy: whether a batch runs.
    """

    def __init__(
        self,
        device_id: str,
        latencies: Mapping[str, BatchLatency],
        draw_ms: DrawMs,
        loading: VariantLoading,
        batcher: Batcher,
        events: EventQueue,
        *,
        slowdown: SlowdownScript = ALWAYS_AS_PROFILED,
        probes_until_ms: float = 0.0,
        on_answers: Callable[[list[SimulatedFrame]], None],
        on_drop: Callable[[SimulatedFrame, Reason], None],
        on_status: Callable[[str, float, float], None],
        on_batch: Callable[[BatchRecord], None] | None,
    ) -> None:
        """Starts idle, and runs nothing before its first orders.

        Args:
            device_id: its name.
            latencies: its profile, by variant.
            draw_ms: tells how long a batch takes.
            loading: tells how soon another variant runs.
            batcher: of its own.
            events: of the run.
            slowdown: how slow it is over time.
            probes_until_ms: when it runs no more blank batches, so that the run has an end.
            on_answers: takes the frames of each batch that has run.
            on_drop: takes each frame that was given up.
            on_status: takes the device, its slowdown and its spread, when that is due.
            on_batch: takes each batch; None to spare the rows.
        """
        self.device_id = device_id
        self._core = DeviceCore(latencies, batcher)
        self._draw_ms = draw_ms
        self._slowdown = slowdown
        self._probes_until_ms = probes_until_ms
        self._loading = loading
        self._events = events
        self._on_answers = on_answers
        self._on_drop = on_drop
        self._on_status = on_status
        self._on_batch = on_batch
        self._is_loading = ""
        self._wish = ""
        self._queue: dict[int, tuple[QueuedFrame, SimulatedFrame]] = {}
        self._next_key = 0
        self.is_busy = False
        self._num_decisions = 0  # a wake-up counts only if nothing was decided since it was set
        self._decides_at_ms = -1.0
        self._free_since_ms = 0.0

    @property
    def num_batches(self) -> int:
        """Batches that have run."""
        return self._core.num_batches

    @property
    def num_queued(self) -> int:
        """Frames that wait."""
        return len(self._queue)

    def set_orders(self, orders: DeviceOrders) -> None:
        """Takes a plan; its variant runs from the next batch on, or from when it is loaded."""
        self._core.wish(orders)
        self._wish = orders.variant
        if orders.variant == self._is_loading:
            return
        active = self._core.active or orders.variant
        delay_ms = self._loading.delay_ms(active, orders.variant)
        if not delay_ms:
            self._core.activate(orders.variant)
            self._wake()
            return
        self._is_loading = orders.variant
        at_ms = self._events.now_ms + delay_ms
        self._events.at(at_ms, Priority.DECISION, self._end_loading, orders.variant)

    def _end_loading(self, variant: str) -> None:
        if self._is_loading == variant:
            self._is_loading = ""
        if self._wish == variant:
            self._core.activate(variant)
            self._wake()

    def take(self, frame: SimulatedFrame) -> None:
        """Queues a frame."""
        now_ms = self._events.now_ms
        key = self._next_key
        self._next_key += 1
        self._queue[key] = (QueuedFrame(key, now_ms, frame.deadline_ms), frame)
        self._wake()

    def _wake(self) -> None:
        """Has it decide at the end of this moment, once everything that happens in it is there."""
        now_ms = self._events.now_ms
        if self.is_busy or self._decides_at_ms == now_ms:
            return
        self._decides_at_ms = now_ms
        self._events.at(now_ms, Priority.DECISION, self._decide)

    def _decide_if_nothing_was(self, num_decisions: int) -> None:
        if num_decisions == self._num_decisions and not self.is_busy:
            self._decide()

    def _decide(self) -> None:
        self._decides_at_ms = -1.0
        while self._queue and self._core.active:
            self._num_decisions += 1
            queue = [queued for queued, _ in self._queue.values()]
            decision = self._core.decide(queue, self._events.now_ms)
            for key, reason in decision.drop:
                self._on_drop(self._queue.pop(key)[1], reason)
            if decision.run:
                self._start([self._queue.pop(key)[1] for key in decision.run])
                return
            if not decision.drop:
                if decision.wait_until_ms is not None:
                    self._events.at(
                        decision.wait_until_ms,
                        Priority.DECISION,
                        self._decide_if_nothing_was,
                        self._num_decisions,
                    )
                return
        self._look_after()

    def _look_after(self) -> None:
        """Runs a blank batch if that is due, or sees that it will be, unless frames come."""
        at_ms = self._core.probe_at_ms()
        if self._queue or at_ms >= self._probes_until_ms:
            return
        if at_ms <= self._events.now_ms:
            self._core.probing(self._events.now_ms)
            self._start([])
            return
        self._num_decisions += 1
        self._events.at(at_ms, Priority.DECISION, self._decide_if_nothing_was, self._num_decisions)

    def _start(self, frames: list[SimulatedFrame]) -> None:
        start_ms = self._events.now_ms
        size = max(1, len(frames))  # none make a blank batch
        core, variant = self._core, self._core.active
        inference_ms = self._draw_ms(variant, size) * self._slowdown.factor(start_ms)
        expected_ms = core.latency.p50_ms[size - 1]
        self.is_busy = True
        if self._on_batch is not None and frames:
            self._on_batch(
                BatchRecord(
                    device_id=self.device_id,
                    at_ms=start_ms,
                    variant=variant,
                    plan_batch_size=core.batch_size,
                    batch_size=size,
                    idle_ms=start_ms - self._free_since_ms,
                    inference_ms=inference_ms,
                    expected_ms=expected_ms,
                    queue_length=len(self._queue),
                )
            )
        for frame in frames:
            frame.variant = variant
            frame.batch_size = size
            frame.plan_epoch = core.orders.plan_epoch
            frame.queue_ms = start_ms - frame.handed_ms
            frame.inference_ms = inference_ms
        self._events.at(
            start_ms + inference_ms, Priority.DONE, self._end, frames, variant, inference_ms
        )

    def _end(self, frames: list[SimulatedFrame], variant: str, inference_ms: float) -> None:
        now_ms = self._events.now_ms
        self.is_busy = False
        self._free_since_ms = now_ms
        if frames:
            self._on_answers(frames)
        self._core.ran(variant, max(1, len(frames)), inference_ms, now_ms)
        if self._core.is_status_due(now_ms):
            self._core.told(now_ms)
            self._on_status(self.device_id, self._core.slowdown_ratio, self._core.spread_ratio)
        self._wake()
