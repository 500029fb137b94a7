from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.mode import Mode, PowerTable
from moonjelly.core.profile import BatchLatency
from moonjelly.core.records import BatchRecord, LoadRecord
from moonjelly.core.stream import StreamKey
from moonjelly.core.verdict import Reason
from moonjelly.scheduling.batching.registry import batcher
from moonjelly.scheduling.cores.device.core import DeviceCore
from moonjelly.scheduling.cores.device.instructions import DeviceOrders
from moonjelly.scheduling.cores.endpoint.gate import Declared, StreamGate
from moonjelly.simulation.devices import SimulatedClock, SimulatedDevice, draw_latency
from moonjelly.simulation.events import EventQueue, Priority
from moonjelly.simulation.frame import SimulatedFrame
from moonjelly.simulation.scenario import Sampling

GATE = StreamGate(1, Declared(StreamKey.parse("cam"), 10.0, 200.0, 10_000.0, 1.0), 0.0, 1.2, 32)
LATENCIES = {
    "small": BatchLatency((5.0, 6.0, 7.0), (5.0, 6.0, 7.0)),
    "large": BatchLatency((20.0, 30.0, 40.0), (20.0, 30.0, 40.0)),
}


class Bench:
    """A device, and what became of its frames."""

    def __init__(
        self,
        batching: str = "deadline",
        slowness: float = 1.0,
        num_loaded: int = 2,
        latencies: Mapping[str, BatchLatency] = LATENCIES,
    ) -> None:
        self.events = EventQueue()
        self.answered: list[tuple[int, float, str]] = []
        self.dropped: list[tuple[int, Reason]] = []
        self.statuses: list[tuple[str, float]] = []
        self.batches: list[BatchRecord] = []
        self.loads: list[LoadRecord] = []
        self.device = SimulatedDevice(
            "gpu-0",
            1,
            DeviceCore(latencies, batcher(batching), num_loaded=num_loaded),
            lambda variant, size: slowness * latencies[variant].p50_ms[size - 1],
            30.0,
            self.events,
            on_answers=lambda _, batch, frames, *__: self.answered.extend(
                (frame.sequence, self.events.now_ms, batch.variant) for frame in frames
            ),
            on_drop=lambda _, frame, reason: self.dropped.append((frame.sequence, reason)),
            on_status=lambda device, slowness: self.statuses.append(
                (device.device_id, slowness.ratio)
            ),
            on_batch=self.batches.append,
            on_load=self.loads.append,
        )

    def order(self, at_ms: float, variant: str = "small", batch_size: int = 3) -> None:
        orders = DeviceOrders(variant, batch_size, 50.0, 1)
        self.events.at(at_ms, Priority.DECISION, self.device.set_orders, orders)

    def arrive(self, number: int, at_ms: float, deadline_ms: float) -> None:
        frame = SimulatedFrame(stream_id="cam", sequence=number, captured_ms=at_ms)
        frame.deadline_ms, frame.handed_ms, frame.gate = deadline_ms, at_ms, GATE
        self.events.at(at_ms, Priority.ARRIVAL, self.device.take, frame)


@settings(max_examples=50, deadline=None)
@given(
    arrivals=st.lists(st.tuples(st.floats(0, 200), st.floats(0, 60)), min_size=1, max_size=25),
    batching=st.sampled_from(["deadline", "fixed:2", "interval:10"]),
    slowness=st.sampled_from([1.0, 3.0]),
)
def test_every_frame_is_answered_or_dropped_once(arrivals, batching, slowness):
    bench = Bench(batching, slowness)
    bench.order(0.0)
    bench.order(100.0, "large", 2)
    for number, (at_ms, left_ms) in enumerate(arrivals):
        bench.arrive(number, at_ms, at_ms + left_ms)
    bench.events.run_until(math.inf)
    ended = [number for number, *_ in bench.answered] + [number for number, _ in bench.dropped]
    assert sorted(ended) == list(range(len(arrivals)))
    assert len(bench.device._core.frames) == 0


def test_what_could_not_be_in_time_is_dropped_and_says_so():
    bench = Bench()
    bench.order(0.0)
    bench.arrive(0, 10.0, 12.0)
    bench.arrive(1, 10.0, 30.0)
    bench.events.run_until(math.inf)
    assert bench.dropped == [(0, Reason.TOO_LATE)]
    assert bench.answered == [(1, 15.0, "small")]


def test_frames_that_come_at_the_same_moment_run_together():
    bench = Bench()
    bench.order(0.0)
    for number in range(3):
        bench.arrive(number, 10.0, 100.0)
    bench.events.run_until(math.inf)
    assert [at_ms for _, at_ms, _ in bench.answered] == [17.0] * 3


def test_a_new_variant_waits_for_the_batch_that_runs():
    bench = Bench()
    bench.order(0.0, "large", 1)
    bench.arrive(0, 10.0, 100.0)
    bench.order(12.0, "small", 1)
    bench.arrive(1, 13.0, 100.0)
    bench.events.run_until(math.inf)
    assert bench.answered == [(0, 30.0, "large"), (1, 35.0, "small")]


def test_a_slow_device_says_so():
    bench = Bench(slowness=2.0)
    bench.order(0.0)
    for number in range(40):
        bench.arrive(number, 50.0 * number, 1e6)
    bench.events.run_until(math.inf)
    assert set(bench.statuses) == {("gpu-0", 2.0)}
    assert len(bench.statuses) == 5  # at once, every half second, and when its spread is known


def test_a_variant_that_is_not_loaded_runs_later_and_the_other_goes_on():
    bench = Bench(num_loaded=1)
    bench.order(0.0, "large", 1)
    bench.order(10.0, "small", 1)
    bench.order(20.0, "small", 3)  # does not begin anew
    bench.arrive(0, 11.0, 1000.0)
    for number in (1, 2):
        bench.arrive(number, 41.0, 1000.0)
    bench.events.run_until(math.inf)
    assert bench.answered == [(0, 31.0, "large"), (1, 47.0, "small"), (2, 47.0, "small")]


def test_a_variant_that_is_wished_no_more_does_not_run_when_it_is_loaded():
    bench = Bench(num_loaded=1)
    bench.order(0.0, "large", 1)
    bench.order(10.0, "small", 1)
    bench.order(20.0, "large", 1)
    bench.arrive(0, 50.0, 1000.0)
    bench.events.run_until(math.inf)
    assert bench.answered == [(0, 70.0, "large")]


SIXTEEN = {name: BatchLatency((10.0,) * 3, (10.0,) * 3) for name in "abcdefghijklmnop"}


def run_sixteen(*plans: tuple[float, str]) -> Bench:
    bench = Bench(num_loaded=5, latencies=SIXTEEN)
    bench.order(0.0, "h", 1)
    for at_ms, variant in plans:
        bench.order(at_ms, variant, 1)
    for number in range(100):
        bench.arrive(number, 1.0 + 9.0 * number, 1e6)
    bench.events.run_until(math.inf)
    return bench


def test_no_batch_is_delayed_by_what_is_loaded_beside_it():
    quiet = run_sixteen()
    for variant, num_loads in (("i", 1), ("p", 5)):  # a neighbour, and the farthest
        busy = run_sixteen((200.0, variant))
        assert [one.at_ms for one in busy.batches] == [one.at_ms for one in quiet.batches]
        assert len(busy.loads) == num_loads
        assert max(load.num_held for load in busy.loads) == 5


def test_loads_are_told_with_what_they_took_and_why():
    bench = run_sixteen((200.0, "p"))
    assert bench.loads[0] == LoadRecord("gpu-0", 200.0, "p", "plan", 30.0, 5)
    assert [(one.variant, one.cause) for one in bench.loads[1:]] == [
        (variant, "neighbour") for variant in "onml"
    ]
    assert [one.variant for one in bench.batches if one.at_ms < 230.0] == ["h"] * 23
    assert {one.variant for one in bench.batches if one.at_ms > 232.0} == {"p"}


def slow(factor: float) -> dict[str, BatchLatency]:
    """The profile at a lower clock."""
    return {
        name: BatchLatency(*(tuple(factor * ms for ms in row) for row in (one.p50_ms, one.p99_ms)))
        for name, one in LATENCIES.items()
    }


BY_CLOCK = {300.0: slow(4.0), 600.0: slow(2.0), 1200.0: LATENCIES}
POWER = PowerTable(
    {
        Mode(variant, size, mhz): (mhz or 1200.0) / 100
        for variant in (0, 1)
        for size in (1, 2, 3)
        for mhz in (None, 300.0, 600.0, 1200.0)
    },
    {None: 4.0, 300.0: 1.0, 600.0: 2.0, 1200.0: 4.0},
)


def clocked(change_ms: float, *, can_park: bool = True) -> Bench:
    """A board of three clocks, whose joules are counted."""
    bench = Bench()
    draws_ms = {
        mhz: draw_latency(Sampling.REPLAYED, some, Random(1)) for mhz, some in BY_CLOCK.items()
    }
    bench.energy = []
    bench.device = SimulatedDevice(
        "board-0",
        1,
        DeviceCore(LATENCIES, batcher("deadline"), by_clock=BY_CLOCK, can_park=can_park),
        draw_latency(Sampling.REPLAYED, LATENCIES, Random(1)),
        0.0,
        bench.events,
        probes_until_ms=1000.0,
        on_answers=lambda _, batch, frames, *__: bench.answered.extend(
            (frame.sequence, bench.events.now_ms, batch.variant) for frame in frames
        ),
        on_drop=lambda _, frame, reason: bench.dropped.append((frame.sequence, reason)),
        on_status=lambda *_: None,
        on_batch=bench.batches.append,
        power=POWER,
        variants=list(LATENCIES),
        on_energy=bench.energy.append,
        clock=SimulatedClock(change_ms, draws_ms, bench.events),
    )  # fmt: skip
    return bench


def test_a_device_runs_at_the_clock_of_its_plan_and_draws_what_that_draws():
    bench = clocked(10.0, can_park=False)
    orders = DeviceOrders("small", 1, 10.0, 1, 600.0)
    bench.events.at(0.0, Priority.DECISION, bench.device.set_orders, orders)
    for number in range(5):
        bench.arrive(number, 100.0 * (1 + number), 100.0 * (2 + number))
    bench.events.run_until(math.inf)
    bench.device.close()
    assert bench.dropped == []
    assert [(row.clock_mhz, row.inference_ms) for row in bench.batches] == [(600.0, 10.0)] * 5
    assert {row.energy_mj for row in bench.batches} == {(6.0 - 2.0) * 10.0}
    idle_mj = sum(row.idle_mj + row.unplanned_mj for row in bench.energy)
    lasts_ms = bench.energy[-1].end_ms
    assert idle_mj == 4.0 * 10.0 + 2.0 * (lasts_ms - 10.0)


def test_a_parked_device_draws_less_and_loses_no_frame():
    taken_mj = {}
    for can_park in (False, True):
        bench = clocked(2.0, can_park=can_park)
        orders = DeviceOrders("small", 1, 10.0, 1, 1200.0)
        bench.events.at(0.0, Priority.DECISION, bench.device.set_orders, orders)
        for number in range(9):
            at_ms = 100.0 * (1 + number)
            bench.arrive(number, at_ms, at_ms + 10.0)  # twice what it takes
        bench.events.run_until(math.inf)
        bench.device.close()
        assert len(bench.answered) == 9
        assert {row.clock_mhz for row in bench.batches[1:]} == {1200.0}
        taken_mj[can_park] = bench.device.total_mj
    assert taken_mj[True] < 0.5 * taken_mj[False]
