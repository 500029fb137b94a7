from __future__ import annotations

import math

import pytest

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.port import BatchDecision, QueuedFrame
from moonjelly.scheduling.cores.device import (
    DOUBT_MS,
    DeviceCore,
    DeviceOrders,
)
from moonjelly.scheduling.pacing import PROBE_PERIOD_MS, SHORTEST_WAIT_MS, STATUS_PERIOD_MS

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
    for at in range(100):
        device.ran("small", 2, 10.0, 10.0 * at)
        device.decoded(7.0)
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


def test_a_status_is_due_at_once_when_the_device_has_become_slower_or_faster():
    device = core()
    device.told(0.0)
    for at_ms in (10.0, 20.0, 30.0):
        assert not device.is_status_due(at_ms)
        device.ran("small", 1, 10.0, at_ms)
    assert device.is_status_due(30.0)
    device.told(30.0)
    device.ran("small", 1, 10.0, 40.0)
    assert not device.is_status_due(40.0)


def test_an_idle_device_is_probed_while_it_is_slow():
    device = core()
    assert device.probe_at_ms() == math.inf
    now_ms = 0.0
    for _ in range(3):
        now_ms += 60.0
        device.ran("small", 1, 60.0, now_ms)
    assert device.probe_at_ms() == now_ms + PROBE_PERIOD_MS
    num_probes = 0
    while (at_ms := device.probe_at_ms()) < math.inf:
        device.probing(at_ms)
        assert device.probe_at_ms() == at_ms + PROBE_PERIOD_MS  # also of one that failed
        device.ran("small", 1, 5.0, at_ms + 5.0)
        num_probes += 1
    assert num_probes == 2
    assert device.slowdown_ratio == 1


def test_a_device_that_may_be_as_good_as_lost_is_asked_with_a_short_batch():
    device = core()
    device.wish(DeviceOrders("small", 4, 50.0, 1))
    device.ran("small", 4, 60.0, 60.0)
    assert device.batch_size == 1
    device.ran("small", 1, 5.0, 65.0)
    assert device.batch_size == 4


def test_a_device_that_may_be_as_good_as_lost_says_nothing_until_a_second_batch_tells():
    device = core()
    device.ran("small", 4, 600.0, 600.0)
    assert device.probe_at_ms() == 600.0 + DOUBT_MS
    assert not device.is_status_due(600.0)
    device.ran("small", 1, 60.0, 680.0)
    assert device.is_status_due(680.0)
    assert device.slowdown_ratio == 12


def test_a_device_whose_one_slow_batch_was_chance_is_not_asked_again():
    device = core()
    device.ran("small", 4, 60.0, 60.0)
    device.ran("small", 1, 5.0, 65.0)
    assert device.probe_at_ms() == math.inf
    assert device.slowdown_ratio == 1
