from __future__ import annotations

import pytest

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.port import BatchDecision, QueuedFrame
from moonjelly.scheduling.device_core import DeviceCore, DeviceOrders
from moonjelly.scheduling.pacing import SHORTEST_WAIT_MS, STATUS_PERIOD_MS

LATENCIES = {
    "small": BatchLatency((5.0,) * 4, (6.0,) * 4),
    "large": BatchLatency((20.0,) * 2, (30.0,) * 2),
}


class Waiter:
    """Waits until a time that the test says; notes what it was told."""

    def __init__(self) -> None:
        self.until_ms: float | None = None
        self.devices = []

    def decide(self, queue, device, now_ms):
        self.devices.append(device)
        return BatchDecision(wait_until_ms=self.until_ms)


def core(batcher: Waiter | None = None) -> DeviceCore:
    made = DeviceCore(LATENCIES, batcher or Waiter(), first_decode_ms=2.0)
    made.activate("small")
    return made


def test_a_plan_and_its_epoch_are_in_force_once_its_variant_is_active():
    device = core()
    device.wish(DeviceOrders("small", 3, 50.0, 1))
    assert (device.batch_size, device.orders.plan_epoch) == (3, 1)
    device.wish(DeviceOrders("large", 8, 60.0, 2))
    assert (device.batch_size, device.orders.plan_epoch) == (3, 1)
    device.activate("large")
    assert (device.batch_size, device.orders.plan_epoch) == (2, 2)  # within the profile


def test_a_plan_whose_variant_was_there_before_is_in_force_at_once():
    device = core()
    device.wish(DeviceOrders("large", 2, 50.0, 1))
    device.wish(DeviceOrders("small", 4, 50.0, 2))
    assert (device.active, device.orders.plan_epoch) == ("small", 2)


def test_a_batcher_that_asks_to_be_asked_at_once_does_not_spin():
    batcher = Waiter()
    device = core(batcher)
    queue = [QueuedFrame(1, 0.0, 100.0)]
    assert device.decide(queue, 10.0).wait_until_ms is None
    batcher.until_ms = 3.0
    assert device.decide(queue, 10.0).wait_until_ms == 10.0 + SHORTEST_WAIT_MS
    batcher.until_ms = 50.0
    assert device.decide(queue, 10.0).wait_until_ms == 50.0


def test_batches_teach_it_how_slow_it_is_and_what_decoding_costs():
    batcher = Waiter()
    device = core(batcher)
    for _ in range(100):
        device.ran(10.0, 5.0, decode_ms=7.0)
    assert device.num_batches == 100
    assert device.slowdown_ratio == pytest.approx(2.0, rel=1e-3)
    assert device.decode_ms == pytest.approx(7.0, rel=1e-3)
    device.decide([], 0.0)
    assert batcher.devices[-1].slowdown_ratio == device.slowdown_ratio
    assert device.is_hopeless(109.0, 100.0)
    assert not device.is_hopeless(111.0, 100.0)


def test_statuses_are_due_every_half_second():
    device = core()
    assert device.is_status_due(STATUS_PERIOD_MS)
    device.told(STATUS_PERIOD_MS)
    assert not device.is_status_due(STATUS_PERIOD_MS + 1)
    assert device.is_status_due(2 * STATUS_PERIOD_MS)
