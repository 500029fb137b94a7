"""Batches that are measured are the ones that were asked for."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from time import sleep

import pytest

from moonjelly.core.answers import Detections
from moonjelly.core.zoo import Fit
from moonjelly.devices.executors.port import Input
from moonjelly.profiler.batch_runner import BatchRunner
from moonjelly.profiler.samples import Cell
from moonjelly.vision.fits import Fitted
from moonjelly.vision.preprocessing import encode_frame
from moonjelly.vision.scenes import Scene

SIDE_PX = 64


class SlowExecutor:
    """Takes 15 ms for each frame, and keeps how many were in each batch."""

    needs_pictures = True
    depth = 1
    fit = Fit.STRETCH

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def load(self, variant: str, max_batch_size: int) -> None:
        """Nothing is loaded."""

    def unload(self, variant: str) -> None:
        """Nothing is unloaded."""

    def prepare(self, fitted: Fitted) -> Input:
        return fitted

    def start(self, variant: str, inputs: Sequence[Input]) -> int:
        self.sizes.append(len(inputs))
        sleep(0.015 * len(inputs))
        return len(inputs)

    def finish(self, running: int) -> list[Detections]:
        return [Detections.empty()] * running


class Interrupted(SlowExecutor):
    """Somebody presses Ctrl-C while the third batch runs."""

    def finish(self, running: int) -> list[Detections]:
        if len(self.sizes) == 3:
            signal.raise_signal(signal.SIGINT)
        return super().finish(running)


def make_runner(executor: SlowExecutor) -> BatchRunner:
    jpeg = encode_frame(Scene(0, "val").frame(0).image, SIDE_PX)
    return BatchRunner(executor, {"small": SIDE_PX}, {SIDE_PX: [jpeg]}, max_batch_size=4)


def test_each_batch_is_whole_however_slow_the_device_is() -> None:
    executor = SlowExecutor()
    took_ms = make_runner(executor).run(Cell("small", 4), 3)
    assert executor.sizes[:3] == [4, 4, 4]
    assert min(took_ms) >= 60.0


def test_slow_batches_end_a_visit_early_but_not_before_the_second_one() -> None:
    runner = make_runner(SlowExecutor())
    assert len(runner.run(Cell("small", 4), 9, within_ms=30.0)) == 2
    assert len(runner.run(Cell("small", 1), 4, within_ms=1000.0)) == 4


def test_an_interruption_ends_a_visit() -> None:
    with pytest.raises(KeyboardInterrupt):
        make_runner(Interrupted()).run(Cell("small", 1), 1000)
