from __future__ import annotations

import logging

import pytest

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.port import Batch
from moonjelly.scheduling.cores.device.condition import Condition
from moonjelly.scheduling.slowdown import REFRESH_MS
from moonjelly.scheduling.slowness import AS_PROFILED
from moonjelly.server.executors.learning import KEEP_EVERY_MS, Learning
from moonjelly.zoos import LearnedFile

LATENCY = BatchLatency((50.0,), (56.0,))


class Device:
    """A device whose batches take what the test says."""

    def __init__(self) -> None:
        self.condition = Condition({"small": LATENCY}, 0.0)
        self.now_ms = 0.0

    def run_for(self, duration_ms: float, ratio: float) -> None:
        """Runs batches for that long."""
        for _ in range(round(duration_ms / (50.0 * ratio))):
            batch = Batch((), "small", 50.0, 56.0, self.now_ms, 0.0, 1, 0, 0)
            self.now_ms += 50.0 * ratio
            self.condition.ran(batch, 50.0 * ratio, self.now_ms)


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def read(tmp_path):
    """Opens the file as the next start will."""
    profile = tmp_path / "latency-cpu.csv"
    profile.write_text("a profile\n")
    return lambda: LearnedFile(tmp_path / "learned-cpu0.json", profile)


def test_it_is_kept_every_minute_and_at_the_end(device, read):
    learning = Learning("cpu0", device.condition, read())
    device.run_for(5000, 1.5)
    learning.look(0.0)
    learning.look(KEEP_EVERY_MS - 1)
    assert read().slowness == AS_PROFILED
    learning.look(KEEP_EVERY_MS)
    assert read().slowness.ratio == pytest.approx(1.5)
    device.run_for(5000, 2.0)
    learning.keep()
    assert read().slowness.ratio == pytest.approx(2)


def test_that_a_device_is_as_good_as_lost_is_not_kept(device, read):
    learning = Learning("cpu0", device.condition, read())
    device.run_for(5000, 1.5)
    learning.keep()
    device.run_for(5000, 12.0)
    learning.keep()
    assert read().slowness.ratio == pytest.approx(1.5)


def test_measuring_again_is_offered_once(device, read, caplog):
    learning = Learning("cpu0", device.condition, read())
    with caplog.at_level(logging.WARNING):
        for _ in range(8):
            device.run_for(REFRESH_MS / 4, 1.2)
            learning.look(device.now_ms)
    assert [one.getMessage().count("moonjelly profile --refresh") for one in caplog.records] == [1]


def test_a_replayed_device_keeps_nothing(device, caplog):
    learning = Learning("replayed0", device.condition, None)
    device.run_for(2 * REFRESH_MS, 1.2)
    learning.look(device.now_ms)
    learning.keep()
    assert not caplog.records
