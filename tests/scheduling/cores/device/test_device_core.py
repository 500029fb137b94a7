from __future__ import annotations

import math

import pytest

from moonjelly.core.profile import BatchLatency
from moonjelly.core.verdict import Reason
from moonjelly.scheduling.batching.port import BatchDecision
from moonjelly.scheduling.cores.device.condition import DOUBT_MS, HANG_LEAST_MS
from moonjelly.scheduling.cores.device.core import LEAD_MS, DeviceCore
from moonjelly.scheduling.cores.device.instructions import DeviceOrders, LoadCause
from moonjelly.scheduling.cores.device.waiting_frames import SPEAK_EVERY_MS
from moonjelly.scheduling.pacing import PROBE_PERIOD_MS, SHORTEST_WAIT_MS, STATUS_PERIOD_MS

LATENCIES = {
    "small": BatchLatency((5.0,) * 4, (6.0,) * 4),
    "large": BatchLatency((20.0,) * 2, (30.0,) * 2),
}
SIDES_PX = {"small": 64, "large": 128}


class Scripted:
    """Decides what the test says; notes what it is told."""

    def __init__(self, decision: BatchDecision | None = None) -> None:
        self.decision = decision
        self.devices = []
        self.told = []

    def decide(self, queue, device, now_ms):
        self.devices.append(device)
        if self.decision is not None:
            return self.decision
        return BatchDecision(
            run=tuple(frame.key for frame in queue if frame.is_ready)[: device.batch_size]
        )

    def ran(self, batch, took_ms):
        self.told.append(([frame.key for frame in batch.frames], took_ms))


def make(batcher: Scripted | None = None, **options) -> DeviceCore:
    core = DeviceCore(LATENCIES, batcher or Scripted(), **options)
    core.loaded("small")
    return core


def run(core: DeviceCore, took_ms: float, now_ms: float, num_frames: int = 1) -> None:
    """Runs one batch that ends at that time."""
    for key in range(num_frames):
        core.take(key, math.inf, now_ms - took_ms)
    batch = core.turn(now_ms - took_ms).batch
    core.ran(batch, took_ms, now_ms)


def test_a_plan_and_its_epoch_are_in_force_once_its_variant_is_loaded():
    core = make()
    core.order(DeviceOrders("small", 3, 50.0, 1))
    assert (core.batch_size, core.variants.orders.plan_epoch) == (3, 1)
    core.order(DeviceOrders("large", 8, 60.0, 2))
    assert (core.batch_size, core.variants.orders.plan_epoch) == (3, 1)
    core.loaded("large")
    assert (core.batch_size, core.variants.orders.plan_epoch) == (2, 2)  # within the profile


def test_a_batcher_is_told_how_large_batches_may_be_at_most():
    batcher = Scripted()
    core = make(batcher, max_batch_size=3)
    core.order(DeviceOrders("small", 1, 50.0, 1))
    run(core, 5.0, 5.0)
    assert (batcher.devices[-1].batch_size, batcher.devices[-1].max_batch_size) == (1, 3)
    core.order(DeviceOrders("large", 1, 50.0, 2))
    core.loaded("large")
    assert core.max_batch_size == 2, "within the profile"


def test_a_plan_whose_variant_runs_already_is_in_force_at_once():
    core = make()
    core.order(DeviceOrders("large", 2, 50.0, 1))
    core.order(DeviceOrders("small", 4, 50.0, 2))
    assert (core.variants.active, core.variants.orders.plan_epoch) == ("small", 2)


def test_a_plan_for_a_variant_that_there_is_not_changes_nothing():
    core = make()
    with pytest.raises(KeyError):
        core.order(DeviceOrders("huge", 2, 50.0, 1))
    core.loaded("large")
    assert core.variants.active == "small"


def test_nothing_runs_before_a_variant_is_loaded():
    core = DeviceCore(LATENCIES, Scripted())
    with pytest.raises(RuntimeError, match="no variant"):
        core.turn(0.0)


def test_a_batch_that_has_begun_keeps_its_variant_and_its_plan():
    core = make()
    core.take(1, 100.0, 0.0)
    core.order(DeviceOrders("small", 1, 50.0, 1))
    batch = core.turn(0.0).batch
    core.order(DeviceOrders("large", 1, 50.0, 2))
    core.loaded("large")
    assert (batch.variant, batch.plan_epoch) == ("small", 1)
    assert core.load(LoadCause.NEIGHBOUR).unload == ()  # it runs
    core.ran(batch, 5.0, 5.0)
    assert core.load(LoadCause.NEIGHBOUR).unload == ("small",)


def test_a_batcher_that_asks_to_be_asked_at_once_does_not_spin():
    batcher = Scripted(BatchDecision(wait_until_ms=3.0))
    core = make(batcher)
    core.take(1, 100.0, 0.0)
    assert core.turn(10.0).wait_until_ms == 10.0 + SHORTEST_WAIT_MS
    batcher.decision = BatchDecision(wait_until_ms=50.0)
    assert core.turn(10.0).wait_until_ms == 50.0
    batcher.decision = BatchDecision()
    assert core.turn(10.0).wait_until_ms == 100.0  # a deadline


def test_frames_that_wait_past_their_deadlines_are_said_to_be_alive_now_and_then():
    core = make(Scripted(BatchDecision()))
    core.take(1, 100.0, 0.0)
    core.take(2, 900.0, 0.0)
    turn = core.turn(101.0)
    assert (turn.overdue, turn.wait_until_ms) == ((1,), 101.0 + SPEAK_EVERY_MS)
    assert core.turn(150.0).overdue == ()
    assert core.turn(101.0 + SPEAK_EVERY_MS).overdue == (1,)


def test_the_batcher_is_told_what_ran_and_how_long_it_took():
    batcher = Scripted()
    core = make(batcher)
    run(core, 7.0, 7.0)
    for key in range(8, 14):
        core.take(key, math.inf, 7.0)
        core.ran(core.turn(7.0).batch, 90.0, 97.0, is_good=False)
    assert batcher.told[:2] == [([0], 7.0), ([8], 90.0)]
    assert core.condition.slowdown.slowness.ratio == 1  # nothing is learnt from failures


def test_batches_teach_it_how_slow_it_is_and_what_decoding_costs():
    batcher = Scripted()
    core = make(batcher)
    for at in range(100):
        core.take(at, math.inf, 10.0 * at)
        core.ran(core.turn(10.0 * at).batch, 10.0, 10.0 * at + 10, decode_ms=7.0)
    assert core.condition.slowdown.slowness.ratio == pytest.approx(2.0, rel=1e-3)
    assert core.condition.decode_ms == pytest.approx(7.0, rel=1e-3)
    core.take(1000, 2000.0, 1000.0)
    core.turn(1000.0)
    expected = core.condition.slowdown.slowness.of(LATENCIES["small"])
    assert batcher.devices[-1].latency.p50_ms == pytest.approx(expected.p50_ms, rel=0.02)


def test_decoders_are_given_frames_for_the_side_of_the_active_variant():
    core = make(sides_px=SIDES_PX)
    core.take(1, 100.0, 0.0)
    assert (core.decode(0), core.side_px) == (1, 64)
    assert core.decode(1) is None
    assert core.turn(0.0).batch is None
    core.order(DeviceOrders("large", 1, 50.0, 1))
    core.loaded("large")
    assert core.decoded(0, 64)  # too late: it is decoded anew
    assert core.turn(0.0).batch is None
    assert (core.decode(0), core.side_px) == (1, 128)
    core.decoded(0, 128)
    assert [frame.key for frame in core.turn(0.0).batch.frames] == [1]


def test_a_frame_that_was_cancelled_while_it_was_decoded_is_forgotten():
    core = make(sides_px=SIDES_PX)
    core.take(1, 100.0, 0.0)
    core.decode(0)
    assert core.cancel(1)
    assert not core.cancel(1)
    assert not core.decoded(0, 0)


def test_what_is_hopeless_while_a_batch_runs_is_not_decoded_until_it_has_ended():
    core = make(sides_px=SIDES_PX)
    core.take(1, 100.0, 0.0)
    core.decode(0)
    core.decoded(0, 64)
    batch = core.turn(0.0).batch
    core.take(2, 9.0, 1.0)  # 5 ms until the device is free, and 5 ms to run
    core.take(3, 11.0, 1.0)
    assert core.decode(0) == 3
    assert core.decode(1) is None
    core.ran(batch, 5.0, 5.0)
    assert core.decode(1) == 2


def test_a_frame_that_is_to_be_alone_waits_until_nothing_else_is_at_work():
    core = make(sides_px=SIDES_PX)
    core.take(1, 100.0, 0.0)
    core.take(2, 100.0, 0.0, is_alone=True)
    assert core.decode(0) == 1
    assert core.turn(0.0).batch is None
    core.take(3, 100.0, 0.0)
    assert core.decode(1) is None  # reserved
    core.decoded(0, 64)
    batch = core.turn(1.0).batch
    assert ([frame.key for frame in batch.frames], batch.is_alone) == ([2], True)
    assert core.decode(1) is None
    assert core.turn(1.0).must_finish
    core.ran(batch, 0.0, 2.0, is_good=False)
    assert core.decode(1) == 3
    assert [frame.key for frame in core.turn(2.0).batch.frames] == [1]


def test_a_frame_that_is_to_be_alone_and_too_late_is_given_up():
    core = make()
    core.take(1, 3.0, 0.0, is_alone=True)
    assert core.turn(0.0).drop == ((1, Reason.TOO_LATE),)
    core.take(2, 30.0, 0.0)
    assert core.turn(0.0).batch is not None


def test_a_second_batch_is_chosen_just_before_the_first_has_ended_where_two_may_be_under_way():
    core = make(depth=2)
    core.take(1, 100.0, 0.0)
    first = core.turn(0.0).batch
    assert core.turn(0.0).wait_until_ms == 5.0 - LEAD_MS
    assert core.turn(5.0 - LEAD_MS).must_finish  # there is nothing to choose
    core.take(2, 100.0, 1.0)
    core.take(3, 100.0, 1.0)
    second = core.turn(5.0 - LEAD_MS).batch
    assert [frame.key for frame in second.frames] == [2]
    assert core.turn(4.0).must_finish
    core.ran(first, 5.0, 5.0)
    core.ran(second, 5.0, 10.0)
    core.check_invariants()


def test_statuses_are_due_every_half_second():
    condition = make().condition
    assert condition.is_status_due(STATUS_PERIOD_MS)
    condition.told(STATUS_PERIOD_MS)
    assert not condition.is_status_due(STATUS_PERIOD_MS + 1)
    assert condition.is_status_due(2 * STATUS_PERIOD_MS)


def test_a_status_is_due_at_once_when_the_device_has_become_slower_or_faster():
    core = make()
    core.condition.told(0.0)
    for at_ms in (10.0, 20.0, 30.0):
        assert not core.condition.is_status_due(at_ms)
        run(core, 10.0, at_ms)
    assert core.condition.is_status_due(30.0)
    core.condition.told(30.0)
    run(core, 10.0, 40.0)
    assert not core.condition.is_status_due(40.0)


def test_an_idle_device_is_probed_while_it_is_slow():
    core = make()
    assert core.turn(0.0).wait_until_ms == math.inf
    now_ms = 0.0
    for _ in range(3):
        now_ms += 60.0
        run(core, 60.0, now_ms)
    assert core.turn(now_ms).wait_until_ms == now_ms + PROBE_PERIOD_MS
    num_probes = 0
    while (at_ms := core.turn(now_ms).wait_until_ms) < math.inf:
        batch = core.turn(at_ms).batch
        assert (batch.frames, batch.size) == ((), 1)
        if not num_probes:
            core.ran(batch, 5.0, at_ms, is_good=False)
            assert core.turn(at_ms).wait_until_ms == at_ms + PROBE_PERIOD_MS  # it has time
            now_ms = at_ms
            num_probes = 1
            continue
        now_ms = at_ms + 5.0
        core.ran(batch, 5.0, now_ms)
        num_probes += 1
    assert num_probes == 3
    assert core.condition.slowdown.slowness.ratio == pytest.approx(1)


def test_a_device_that_may_be_as_good_as_lost_is_asked_with_a_short_batch_and_says_nothing():
    core = make()
    core.order(DeviceOrders("small", 4, 50.0, 1))
    run(core, 600.0, 600.0, num_frames=4)
    assert core.batch_size == core.max_batch_size == 1
    assert core.turn(600.0).wait_until_ms == 600.0 + DOUBT_MS
    assert not core.condition.is_status_due(600.0)
    run(core, 60.0, 680.0)
    assert core.condition.is_status_due(680.0)
    assert core.condition.slowdown.slowness.ratio == pytest.approx(12)


def test_a_device_whose_one_slow_batch_was_chance_is_not_asked_again():
    core = make()
    core.order(DeviceOrders("small", 4, 50.0, 1))
    run(core, 60.0, 60.0, num_frames=4)
    run(core, 5.0, 65.0)
    assert core.turn(65.0).wait_until_ms == math.inf
    assert core.batch_size == 4
    assert core.condition.slowdown.slowness.ratio == pytest.approx(1, rel=0.02)


def test_the_watchdog_has_patience_with_a_slow_device():
    core = make()
    core.order(DeviceOrders("small", 4, 50.0, 1))
    core.take(1, math.inf, 0.0)
    batch = core.turn(0.0).batch
    profiled_ms = core.condition.hang_ms([batch])
    assert profiled_ms >= max(HANG_LEAST_MS, 12 * batch.p99_ms)
    core.ran(batch, 12 * batch.p50_ms, 100.0)
    for at in range(3):
        run(core, 12 * batch.p50_ms, 200.0 + 100 * at)
    assert core.condition.hang_ms([batch] * 100) >= 100 * 3 * 12 * batch.p50_ms
