"""The threads that load what the core names."""

from __future__ import annotations

import queue
import threading

import pytest
from virtual_clock import VirtualClock

from moonjelly.core.errors import RunError
from moonjelly.core.profile import BatchLatency
from moonjelly.core.records import LoadRecord
from moonjelly.devices.executors.port import DeviceLostError
from moonjelly.scheduling.cores.device.core import DeviceCore
from moonjelly.scheduling.cores.device.instructions import DeviceOrders
from moonjelly.server.executors.variant_loader import VariantLoader
from moonjelly.server.executors.workload import Workload

LATENCIES = dict.fromkeys("abcdef", BatchLatency((1.0,) * 4, (1.0,) * 4))


class Recorder:
    """An executor that notes what it loads; `hold` keeps one variant from being loaded."""

    needs_pictures = False

    def __init__(self, hold: str = "") -> None:
        self.steps: list[str] = []
        self.loaded: set[str] = set()
        self.most_loaded = 0
        self.changed = threading.Condition()
        self.hold = hold
        self.broken: set[str] = set()
        self.failure: Exception = RunError("cannot be loaded")
        self.clock = VirtualClock()

    def note(self, step: str) -> None:
        with self.changed:
            self.steps.append(step)
            self.changed.notify_all()

    def load(self, variant: str, max_batch_size: int) -> None:
        assert max_batch_size == 4
        self.note(f"load {variant}")
        if variant in self.broken:
            raise self.failure
        with self.changed:
            assert self.changed.wait_for(lambda: variant != self.hold, 30)
        self.clock.advance_to(self.clock.now_ms() + 400)
        self.loaded.add(variant)
        self.most_loaded = max(self.most_loaded, len(self.loaded))

    def unload(self, variant: str) -> None:
        self.loaded.discard(variant)
        self.note(f"unload {variant}")

    def await_step(self, step: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: step in self.steps, 30), self.steps

    def release(self) -> None:
        with self.changed:
            self.hold = ""
            self.changed.notify_all()


@pytest.fixture
def start():
    made: list[tuple[Workload, VariantLoader]] = []

    def make(
        recorder: Recorder,
        first: str,
        num_loaded: int = 3,
        on_change=lambda: None,
        on_load=lambda record: None,
    ) -> VariantLoader:
        core = DeviceCore(LATENCIES, None, num_loaded=num_loaded)
        core.order(orders(first))
        work = Workload(core)
        loader = VariantLoader(
            "gpu0", work, recorder, LATENCIES, recorder.clock, on_change, on_load
        )
        made.append((work, loader))
        loader.start()
        return loader

    yield make
    for work, loader in made:
        work.close()
        loader.join()


def orders(variant: str) -> DeviceOrders:
    return DeviceOrders(variant, 1, 0.0, 1)


def test_the_first_variant_is_there_before_its_neighbours_are_loaded(start):
    recorder = Recorder(hold="b")
    loader = start(recorder, "c")
    assert recorder.loaded == {"c"}
    assert loader._work.core.variants.active == "c"
    recorder.await_step("load b")
    recorder.release()
    recorder.await_step("load d")
    assert recorder.steps == ["load c", "load b", "load d"]


def test_a_far_variant_is_loaded_and_the_old_ones_go_after(start):
    recorder = Recorder()
    changed = threading.Semaphore(0)
    loader = start(recorder, "a", on_change=changed.release)
    assert changed.acquire(timeout=30)
    recorder.await_step("load b")
    recorder.await_step("load c")
    del recorder.steps[:]
    loader.order(orders("f"))
    assert changed.acquire(timeout=30)
    assert loader._work.core.variants.active == "f"
    recorder.await_step("load d")
    assert recorder.steps[-2:] == ["unload c", "load d"]
    assert sorted(recorder.steps) == sorted(
        [f"load {one}" for one in "fed"] + [f"unload {one}" for one in "abc"]
    )
    assert recorder.most_loaded <= 3


def test_each_load_after_the_first_is_told_with_its_cause_and_time(start):
    recorder = Recorder(hold="c")
    told: queue.SimpleQueue[LoadRecord] = queue.SimpleQueue()
    loader = start(recorder, "a", on_load=told.put)
    assert told.get(timeout=30) == LoadRecord("gpu0", 400.0, "b", "neighbour", 400.0, 2)
    recorder.await_step("load c")
    loader.order(orders("f"))
    assert told.get(timeout=30) == LoadRecord("gpu0", 800.0, "f", "plan", 400.0, 3)
    recorder.release()
    assert told.get(timeout=30).variant == "c"


def test_a_wish_does_not_wait_for_a_neighbour_that_is_being_loaded(start):
    recorder = Recorder(hold="b")
    loader = start(recorder, "a")
    recorder.await_step("load b")
    loader.order(orders("f"))
    recorder.await_step("load f")
    assert loader._work.core.variants.held == {"a", "b", "f"}
    recorder.release()
    recorder.await_step("load e")


def test_some_variant_has_to_load(start):
    recorder = Recorder()
    recorder.broken = set(LATENCIES)
    with pytest.raises(RunError, match="no variant"):
        start(recorder, "b")
    assert recorder.steps[:2] == ["load b", "load a"]


@pytest.mark.parametrize("failure", [RuntimeError("a library"), MemoryError(), KeyError("key")])
def test_whatever_a_library_fails_with_breaks_one_variant_alone(start, failure):
    recorder = Recorder()
    recorder.broken = {"d"}
    recorder.failure = failure
    told = threading.Semaphore(0)
    loader = start(recorder, "a", num_loaded=1, on_change=told.release)
    assert told.acquire(timeout=30)
    loader.order(orders("d"))
    assert told.acquire(timeout=30)
    assert loader._work.core.variants.broken == {"d"}
    loader.order(orders("e"))
    assert told.acquire(timeout=30)
    assert loader._work.core.variants.active == "e"


def test_a_lost_device_is_no_broken_variant(start):
    recorder = Recorder()
    recorder.broken = {"b"}
    recorder.failure = DeviceLostError("gone")
    with pytest.raises(DeviceLostError):
        start(recorder, "b")
