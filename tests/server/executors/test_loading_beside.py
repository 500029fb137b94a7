"""No batch is delayed by a load: batch loop and loaders with an executor whose loads take as long as the test wants.

Time is virtual and passes in batches alone, so what a load did to a batch is seen in what the loop does and not in how fast this machine is.
"""

from __future__ import annotations

import threading

import pytest
from virtual_clock import VirtualClock

from moonjelly.core.profile import BatchLatency
from moonjelly.core.records import BatchRecord, LoadRecord
from moonjelly.devices.executors.replayed_executor import ReplayedExecutor
from moonjelly.protos.internal_pb2 import FrameDescriptor
from moonjelly.scheduling.batching.registry import batcher
from moonjelly.scheduling.cores.device.core import DeviceCore
from moonjelly.scheduling.cores.device.instructions import DeviceOrders
from moonjelly.server.executors.loop import BatchLoop
from moonjelly.server.executors.variant_loader import VariantLoader
from moonjelly.server.executors.workload import Workload

LATENCIES = {
    name: BatchLatency((10.0 + k,), (20.0 + k,)) for k, name in enumerate("abcdefghijklmnop")
}
NUM_FRAMES, FAR_MS, LIMIT_S = 60, 1e9, 30
NUM_LOADED = 5
ASKED, RELEASED = (
    10,
    40,
)  # batches that have ended when a plan comes, and when its variant's load ends


class Endpoint:
    """Takes answers."""

    def __init__(self) -> None:
        self.bench = self

    def receive(self, ticket: int) -> None:
        pass

    def run(self, tickets: list[int]) -> None:
        pass

    def answer(self, results: object) -> None:
        pass


class SlowLoading(ReplayedExecutor):
    """Loads that are begun after `holding` has been set end when they are let."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(
            LATENCIES,
            p99_every=0,
            clock=clock,
            sleep=lambda s: clock.advance_to(clock.now_ms() + 1000 * s),
        )
        self.holding = ""
        self.begun, self.let = threading.Event(), threading.Event()
        self.most_loaded = 0

    def load(self, variant: str, max_batch_size: int) -> None:
        if variant == self.holding:
            self.begun.set()
            assert self.let.wait(LIMIT_S)
        super().load(variant, max_batch_size)
        self.most_loaded = max(self.most_loaded, len(self._loaded))


class Rig:
    """A device that runs `h`, with its neighbours loaded, and sixty frames that wait."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.executor = SlowLoading(self.clock)
        core = DeviceCore(LATENCIES, batcher("fixed:1"), num_loaded=NUM_LOADED)
        core.order(DeviceOrders("h", 1, 0.0, 1))
        self.work = Workload(core)
        self.batches: list[BatchRecord] = []
        self.loads = threading.Semaphore(0)
        self.loader = VariantLoader(
            "gpu0", self.work, self.executor, LATENCIES, self.clock, lambda: None, self.loaded
        )
        self.loop = BatchLoop("gpu0", self.work, self.executor, {}, self.clock, on_batch=self.ran)
        self.loader.start()
        for _ in range(NUM_LOADED - 1):
            assert self.loads.acquire(timeout=LIMIT_S)
        self.steps: dict[int, object] = {}

    def loaded(self, record: LoadRecord) -> None:
        self.loads.release()

    def ran(self, batch: BatchRecord) -> None:
        """In the batch loop, between two batches."""
        self.batches.append(batch)
        step = self.steps.get(len(self.batches))
        if step is not None:
            step()
        if len(self.batches) == NUM_FRAMES:
            self.work.close()

    def run(self) -> list[BatchRecord]:
        frames = [FrameDescriptor(ticket=k, deadline_ms=FAR_MS) for k in range(1, NUM_FRAMES + 1)]
        self.work.add(Endpoint(), frames, 0.0)
        self.loop.run()
        self.executor.let.set()
        self.loader.join()
        return self.batches

    def ask(self, variant: str, held: str) -> None:
        """A plan comes, and a load begins that does not end."""
        self.executor.holding = held
        self.loader.order(DeviceOrders(variant, 1, 0.0, 2))
        assert self.executor.begun.wait(LIMIT_S)

    def let(self) -> None:
        self.executor.let.set()
        assert self.loads.acquire(timeout=LIMIT_S)


@pytest.fixture(scope="module")
def quiet() -> list[BatchRecord]:
    return Rig().run()


def test_the_old_variant_runs_on_as_if_nothing_were_loaded_until_the_planned_one_is_there(quiet):
    rig = Rig()
    rig.steps = {ASKED: lambda: rig.ask("p", "p"), RELEASED: rig.let}
    batches = rig.run()
    assert batches[:RELEASED] == quiet[:RELEASED]
    later = [batch for batch in batches[RELEASED:] if batch.variant == "p"]
    assert len(later) >= NUM_FRAMES - RELEASED - 1  # the next batch may have been chosen
    assert rig.executor.most_loaded == NUM_LOADED


def test_a_neighbour_that_is_loaded_delays_no_batch(quiet):
    rig = Rig()
    rig.steps = {ASKED: lambda: rig.ask("i", "k"), RELEASED: rig.let}
    batches = rig.run()
    assert batches[:ASKED] == quiet[:ASKED]
    assert [batch.variant for batch in batches[ASKED + 1 :]] == ["i"] * (NUM_FRAMES - ASKED - 1)
    assert [batch.idle_ms for batch in batches] == [batch.idle_ms for batch in quiet]
    assert rig.executor.most_loaded == NUM_LOADED
