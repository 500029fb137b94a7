from __future__ import annotations

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.loudva import LoudVABatcher
from moonjelly.scheduling.batching.port import BatchDecision, DeviceState, QueuedFrame

TAKES_MS = (100.0, 120.0, 140.0)
DEVICE = DeviceState(BatchLatency(TAKES_MS, TAKES_MS), 3, 30.0)


def decide(*dues_ms: float, now_ms: float = 0.0) -> BatchDecision:
    queue = [QueuedFrame(key, 0.0, due_ms) for key, due_ms in enumerate(dues_ms)]
    return LoudVABatcher().decide(queue, DEVICE, now_ms)


def test_the_batch_is_as_large_as_the_most_urgent_frame_allows() -> None:
    assert decide(900, 125, 900, 900).run == (1, 0)
    assert decide(900, 145, 900, 900).run == (1, 0, 2)
    assert decide(900, 110, 900).run == (1,)


def test_it_waits_until_the_most_urgent_frame_has_four_batches_left() -> None:
    assert decide(700, 600) == BatchDecision(wait_until_ms=600 - 4 * 120)
    assert decide(700, 600, now_ms=120).run == (1, 0)
    assert decide(700, 600, 800).run == (1, 0, 2)


def test_frames_that_cannot_make_it_come_last() -> None:
    assert decide(90, 200, 150).run == (2, 1, 0)
    assert decide(90, 80).run == (1, 0)


def test_frames_that_are_not_decoded_do_not_run() -> None:
    queue = [QueuedFrame(0, 0.0, 50.0, is_ready=False)]
    assert LoudVABatcher().decide(queue, DEVICE, 0) == BatchDecision()
