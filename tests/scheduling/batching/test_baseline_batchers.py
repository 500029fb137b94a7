from __future__ import annotations

from moonjelly.core.profile import BatchLatency
from moonjelly.core.verdict import Reason
from moonjelly.scheduling.batching.baselines import FixedBatcher, IntervalBatcher
from moonjelly.scheduling.batching.port import Batch, BatchDecision, DeviceState, QueuedFrame

LATENCY = BatchLatency((10.0, 15.0, 20.0, 25.0), (10.0, 15.0, 20.0, 25.0))
DEVICE = DeviceState(LATENCY, 4, 100.0)


def frame(key, deadline_ms):
    return QueuedFrame(key, 0.0, deadline_ms)


def test_fixed_size_waits_until_the_tightest_frame_has_ten_milliseconds_to_spare():
    queue = [frame(0, 90), frame(1, 60)]
    # A batch of 3 takes 20 ms.
    assert FixedBatcher(3).decide(queue, DEVICE, 0) == BatchDecision(wait_until_ms=30)
    assert FixedBatcher(3).decide(queue, DEVICE, 30) == BatchDecision(run=(0, 1))


def test_fixed_size_runs_oldest_first_as_soon_as_it_has_its_frames():
    queue = [frame(key, 90 - key) for key in range(5)]
    assert FixedBatcher(3).decide(queue, DEVICE, 0).run == (0, 1, 2)


def test_fixed_size_drops_frames_predicted_more_than_five_milliseconds_late():
    queue = [frame(0, 14), frame(1, 15), frame(2, 90)]
    decision = FixedBatcher(3).decide(queue, DEVICE, 0)
    assert decision.drop == ((0, Reason.TOO_LATE),)
    assert decision.run == (1, 2)  # the tightest is past waiting


def test_fixed_size_is_cut_to_what_the_plan_allows():
    queue = [frame(key, 90) for key in range(5)]
    assert FixedBatcher(8).decide(queue, DEVICE, 0).run == (0, 1, 2, 3)


def test_intervals_start_batches_at_least_that_far_apart_whoever_chose_them():
    batcher = IntervalBatcher(20)
    queue = [frame(key, 90) for key in range(6)]
    assert batcher.decide(queue, DEVICE, 5).run == (0, 1, 2, 3)
    assert batcher.decide(queue, DEVICE, 6).run == (0, 1, 2, 3)  # it did not run after all
    batcher.ran(Batch(tuple(queue[:4]), "v", 25.0, 25.0, 6.0, 0.0, 4, 2, 1), 9.0)
    assert batcher.decide(queue[4:], DEVICE, 15) == BatchDecision(wait_until_ms=26)
    assert batcher.decide(queue[4:], DEVICE, 26) == BatchDecision(run=(4, 5))


def test_an_interval_without_frames_is_not_used_up():
    batcher = IntervalBatcher(20)
    assert batcher.decide([], DEVICE, 0) == BatchDecision()
    assert batcher.decide([frame(0, 90)], DEVICE, 1).run == (0,)
