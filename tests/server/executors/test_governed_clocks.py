"""A batch loop whose clock a real governor sets on a machine that the test made: what runs at which clock, and what a refusal does."""

from __future__ import annotations

import os
import queue
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from moonjelly.core.answers import Detections
from moonjelly.core.clock import MonotonicClock
from moonjelly.core.errors import RunError
from moonjelly.core.profile import BatchLatency
from moonjelly.core.records import BatchRecord
from moonjelly.core.zoo import Fit
from moonjelly.devices.config import DeviceConfig
from moonjelly.energy.port import ClockReading, Slowed
from moonjelly.protos.internal_pb2 import Attach, Drain, Envelope, FrameDescriptor
from moonjelly.scheduling.batching.registry import batcher
from moonjelly.scheduling.cores.device.core import DeviceCore
from moonjelly.scheduling.cores.device.instructions import DeviceOrders
from moonjelly.server.executors.endpoint_link import EndpointLink
from moonjelly.server.executors.energy_side import EnergySide
from moonjelly.server.executors.governor_link import GovernorLink
from moonjelly.server.executors.loop import BatchLoop
from moonjelly.server.executors.workload import Workload
from moonjelly.server.governor import performing, process
from moonjelly.server.governor.claim_file import ClaimFile
from moonjelly.server.governor.finding import DevicePower
from moonjelly.server.wire.channel import Channel, socket_pair
from moonjelly.server.wire.frame_memory import FrameReader, create_frame_memory

LIMIT_S = 30.0
BY_CLOCK = {
    mhz: {"net": BatchLatency(*[tuple(ms * size for size in (1, 2, 3, 4))] * 2)}
    for mhz, ms in ((500.0, 9000.0), (1000.0, 8000.0))  # no machine is so slow that it looks far off
}  # fmt: skip


class Clocks:
    """Sets clocks on a toy device, which may refuse, or say yes and do nothing."""

    def __init__(self) -> None:
        self.mhz, self.refusal, self.is_obedient = 1000, "", True
        self.num_running = 0

    def available_mhz(self) -> tuple[int, ...]:
        return (500, 1000)

    def settings(self) -> dict[str, str]:
        return {"/sys/toy_max": "1000"}

    def set_mhz(self, mhz: int) -> None:
        if self.refusal:
            raise RunError(self.refusal)
        assert mhz >= self.mhz or not self.num_running, "it falls under a running batch"
        if self.is_obedient:
            self.mhz = mhz

    def reached(self) -> ClockReading:
        return ClockReading(self.mhz, Slowed.POWER_CAP)


class Instant:
    """Runs batches in no time, and says which clock the toy device is at."""

    needs_pictures, depth, fit = False, 1, Fit.STRETCH

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks
        self.ran_at: list[int] = []

    def start(self, variant, inputs):
        self.clocks.num_running += 1
        self.ran_at.append(self.clocks.mhz)
        return len(inputs)

    def finish(self, running):
        self.clocks.num_running -= 1
        return [Detections.empty()] * running


class Bench:
    """A governor and the receiving thread, stepped by the test, and a batch loop in a thread of its own."""

    def __init__(self, folder, monkeypatch) -> None:
        self.clocks = Clocks()
        power = DevicePower(None, self.clocks)
        monkeypatch.setattr(process, "find_powers", lambda devices, now_ms: [power])
        monkeypatch.setattr(performing, "put_back", lambda settings: None)
        ours, theirs = socket_pair()
        self.control = Channel(ours)
        self.claim = ClaimFile(folder / "clocks.json")
        self.governor = process.GovernorProcess(
            Channel(theirs), [DeviceConfig("cpu0", "c", cores=(0,))], self.claim, MonotonicClock()
        )
        self.selector = selectors.DefaultSelector()
        self.link = GovernorLink(self.selector)
        self.core = DeviceCore(BY_CLOCK[1000.0], batcher("deadline"), by_clock=BY_CLOCK)
        self.core.loaded("net")
        self.work = Workload(self.core)
        self.executor = Instant(self.clocks)
        self.rows: queue.SimpleQueue[BatchRecord] = queue.SimpleQueue()
        clock = MonotonicClock()
        energy = EnergySide("cpu0", None, ["net"], self.link, clock, None, lambda: None)
        self.loop = BatchLoop(
            "cpu0", self.work, self.executor, {}, clock, on_batch=self.rows.put, energy=energy
        )
        self.memory = create_frame_memory(8, 1 << 12)
        ours, theirs = socket_pair()
        self.endpoint = Channel(ours)
        self.source = EndpointLink("endpoint-0", Channel(theirs), FrameReader(self.memory))
        self.num_frames = 0
        self.thread = threading.Thread(target=self.loop.run)
        self.thread.start()

    def attach(self) -> None:
        """The supervisor joins executor and governor."""
        ours, theirs = socket_pair()
        with theirs:
            attach = Attach(what=Attach.SOCKET, peer="executor-0")
            self.control.send(Envelope(attach=attach), [theirs.fileno()])
        self.link.attach(Channel(ours))

    def plan(self, mhz: float) -> None:
        with self.work.changed:
            self.core.order(DeviceOrders("net", 2, 5.0, 1, mhz))
            self.work.changed.notify()

    def until(self, condition: Callable[[], bool]) -> None:
        """Has governor and receiving thread go round."""
        limit_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < limit_s
            self.governor.step()
            for key, _ in self.selector.select(0):
                key.data()

    def show(self) -> BatchRecord:
        """One frame; returns the row of its batch."""
        now_ms = MonotonicClock().now_ms()
        self.num_frames += 1
        sent = FrameDescriptor(ticket=self.num_frames, deadline_ms=now_ms + 1e6, handed_ms=now_ms)
        self.work.add(self.source, [sent], now_ms)
        self.until(lambda: not self.rows.empty())
        return self.rows.get()

    def close(self) -> None:
        self.work.close()
        self.thread.join(LIMIT_S)
        self.control.send(Envelope(drain=Drain()))
        while self.governor.step():
            pass
        self.link.drop()
        self.selector.close()
        for one in (self.source, self.source.memory, self.control, self.endpoint, self.claim):
            one.close()
        self.governor._control.close()
        for device in self.governor._devices.values():
            if device.executor is not None:
                device.executor.close()
        os.close(self.memory)


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Iterator[Bench]:
    with closing(Bench(tmp_path, monkeypatch)) as made:
        yield made


def test_batches_run_at_the_clock_that_the_governor_has_read_back(bench):
    bench.attach()
    for mhz in (500.0, 1000.0, 500.0):
        bench.plan(mhz)
        bench.until(lambda mhz=mhz: bench.core.clock.reached_mhz == mhz)
        row = bench.show()
        assert (row.clock_mhz, row.expected_ms) == (mhz, BY_CLOCK[mhz]["net"].p50_ms[0])
        assert bench.executor.ran_at[-1] == mhz


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("only root may set it", "cpu0: only root may set it"),
        ("", "cpu0: asked for 500 MHz, runs at 1000: power cap"),
    ],
)
def test_a_clock_that_is_not_obeyed_is_one_line_and_the_device_goes_on(bench, caplog, fault, said):
    bench.clocks.refusal, bench.clocks.is_obedient = fault, False
    bench.attach()
    bench.plan(500.0)
    rows = [bench.show() for _ in range(3)]
    assert {row.clock_mhz for row in rows} == {1000.0}
    bench.until(lambda: not bench.core.clock.is_changing)
    assert [one.getMessage() for one in caplog.records] == [said]
    assert bench.show().clock_mhz == 1000.0


def test_a_device_without_a_governor_goes_on_at_its_own_clock_until_there_is_one(bench):
    bench.plan(500.0)
    assert bench.show().clock_mhz == 1000.0
    bench.attach()
    bench.until(lambda: bench.link.clock_mhz == 500.0)
    assert bench.show().clock_mhz == 500.0
