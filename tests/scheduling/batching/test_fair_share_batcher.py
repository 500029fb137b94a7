from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.profile import BatchLatency
from moonjelly.core.verdict import Reason
from moonjelly.scheduling.batching.deadline import DeadlineBatcher
from moonjelly.scheduling.batching.fair_share import FairShareBatcher
from moonjelly.scheduling.batching.port import Batch, DeviceState, QueuedFrame

FOUR_MS = (10.0, 12.0, 14.0, 16.0)
DEVICE = DeviceState(BatchLatency(FOUR_MS, FOUR_MS), 4, 100.0)
LONG_MS = 1e6


def frames(tenant: str, *deadlines_ms: float, first_key: int = 0) -> list[QueuedFrame]:
    return [
        QueuedFrame(first_key + number, 0.0, deadline_ms, tenant=tenant)
        for number, deadline_ms in enumerate(deadlines_ms)
    ]


@dataclass
class Device:
    """Runs batches one after the other; every tenant has frames waiting all the time."""

    weights: dict[str, int]
    latency: BatchLatency
    stretches: list[float]  # of the expected time, batch by batch
    depth: int = 1
    used_ms: Counter[str] = field(default_factory=Counter)  # by weight
    dearest_ms: float = 0.0
    num_keys: int = 0

    def __post_init__(self) -> None:
        self.batcher = FairShareBatcher(self.weights)
        self.device = DeviceState(self.latency, self.latency.max_batch_size, 100.0)
        self.queue: dict[int, QueuedFrame] = {}

    def fill(self, tenants: set[str]) -> None:
        waiting = Counter(frame.tenant for frame in self.queue.values())
        for tenant in sorted(tenants):
            for _ in range(2 * self.latency.max_batch_size - waiting[tenant]):
                self.num_keys += 1
                frame = QueuedFrame(self.num_keys, 0.0, LONG_MS + self.num_keys, tenant=tenant)
                self.queue[self.num_keys] = frame

    def run(self, tenants: set[str], check=lambda: None) -> None:
        under_way: list[Batch] = []
        for stretch in [*self.stretches, *[None] * self.depth]:
            if stretch is not None:
                self.fill(tenants)
                decision = self.batcher.decide(list(self.queue.values()), self.device, 0.0)
                assert decision.run
                assert not decision.drop
                batch = tuple(self.queue.pop(key) for key in decision.run)
                took_ms = self.latency.p50_ms[len(batch) - 1] * stretch
                under_way.append(Batch(batch, "v", took_ms, took_ms, 0.0, 0.0, 4, 0, 1))
            if under_way and (len(under_way) == self.depth or stretch is None):
                self.end(under_way.pop(0))
                check()

    def end(self, batch: Batch) -> None:
        self.batcher.ran(batch, batch.p50_ms)
        for frame in batch.frames:
            self.used_ms[frame.tenant] += (
                batch.p50_ms / batch.size * 1024 / self.weights[frame.tenant]
            )
        self.dearest_ms = max(self.dearest_ms, batch.p50_ms * 1024 / min(self.weights.values()))


@st.composite
def busy_devices(draw, depth: int = 1):
    p50_ms = draw(st.lists(st.floats(1.0, 50.0), min_size=1, max_size=8).map(sorted))
    weights = draw(st.lists(st.integers(100, 5000), min_size=2, max_size=4))
    return Device(
        {f"t{number}": weight for number, weight in enumerate(weights)},
        BatchLatency(tuple(p50_ms), tuple(p50_ms)),
        draw(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=40)),
        depth,
    )


@settings(max_examples=150, deadline=None)
@given(device=busy_devices())
def test_times_by_weight_of_who_always_has_frames_differ_by_at_most_one_batch(device) -> None:
    def check() -> None:
        used_ms = [device.used_ms[tenant] for tenant in device.weights]
        assert max(used_ms) - min(used_ms) <= device.dearest_ms + 1e-6

    device.run(set(device.weights), check)


@settings(max_examples=100, deadline=None)
@given(device=busy_devices(depth=2))
def test_they_differ_by_at_most_two_where_the_next_is_chosen_before_one_has_ended(device) -> None:
    def check() -> None:
        used_ms = [device.used_ms[tenant] for tenant in device.weights]
        assert max(used_ms) - min(used_ms) <= 2 * device.dearest_ms + 1e-6

    device.run(set(device.weights), check)


def test_a_new_priority_divides_the_time_at_once() -> None:
    device = Device({"a": 1024, "b": 1024}, DEVICE.latency, [1.0] * 200)
    device.run({"a", "b"})
    device.weights["a"] = 3 * 1024
    before_ms = dict(device.used_ms)
    device.run({"a", "b"})
    gained_ms = {one: device.used_ms[one] - before_ms[one] for one in before_ms}  # by new weight
    assert abs(gained_ms["a"] - gained_ms["b"]) <= 2 * device.dearest_ms


def test_who_slept_gets_no_more_than_its_part_when_it_wakes() -> None:
    device = Device({"a": 1024, "b": 1024}, DEVICE.latency, [1.0] * 100)
    device.run({"a"})
    had_ms = device.used_ms["a"]
    device.run({"a", "b"})
    assert abs(device.used_ms["a"] - had_ms - device.used_ms["b"]) <= 2 * device.dearest_ms


def test_a_batch_is_shared_in_turn_and_each_of_them_goes_by_deadline() -> None:
    greedy = frames("greedy", *(50.0 + number for number in range(9)))
    modest = frames("modest", 90.0, 80.0, first_key=20)
    decision = FairShareBatcher({}).decide([*greedy, *modest], DEVICE, 0.0)
    assert sorted(decision.run) == [0, 1, 20, 21]


def test_a_frame_of_whoever_had_least_is_in_time_before_the_batch_is_large() -> None:
    queue = [*frames("greedy", *[33.0] * 9), *frames("modest", 11.0, first_key=20)]
    assert FairShareBatcher({}).decide(queue, DEVICE, 0.0).run == (20,)
    assert len(DeadlineBatcher().decide(queue, DEVICE, 0.0).run) == 4  # most frames in time


def test_one_that_is_over_its_share_gives_up_urgent_frames_and_not_the_size_of_the_batch() -> None:
    queue = [*frames("a", 11.0, *[90.0] * 9), *frames("b", *[90.0] * 9, first_key=20)]
    assert len(FairShareBatcher({}).decide(queue, DEVICE, 0.0).run) == 4


def test_hopeless_frames_are_dropped_whosever_they_are() -> None:
    queue = [*frames("a", 5.0, *[90.0] * 9), *frames("b", 9.0, 90.0, first_key=20)]
    decision = FairShareBatcher({}).decide(queue, DEVICE, 0.0)
    assert sorted(decision.drop) == [(0, Reason.TOO_LATE), (20, Reason.TOO_LATE)]


@given(
    deadlines_ms=st.lists(st.floats(0.0, 100.0), max_size=12),
    ready=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_one_tenant_alone_has_the_deadline_rule(deadlines_ms, ready) -> None:
    queue = [replace(frame, is_ready=ready[frame.key]) for frame in frames("only", *deadlines_ms)]
    decision = FairShareBatcher({}).decide(queue, DEVICE, 0.0)
    assert decision == DeadlineBatcher().decide(queue, DEVICE, 0.0)


@settings(max_examples=150, deadline=None)
@given(
    waiting=st.lists(
        st.tuples(st.floats(0.0, 100.0), st.sampled_from("abc"), st.booleans()), max_size=16
    )
)
def test_it_runs_something_whenever_the_deadline_rule_does(waiting) -> None:
    queue = [
        QueuedFrame(number, 0.0, deadline_ms, is_ready, tenant)
        for number, (deadline_ms, tenant, is_ready) in enumerate(waiting)
    ]
    decision = FairShareBatcher({}).decide(queue, DEVICE, 0.0)
    plain = DeadlineBatcher().decide(queue, DEVICE, 0.0)
    assert bool(decision.run) == bool(plain.run)
    assert decision.wait_until_ms == plain.wait_until_ms
    in_time_ms = DEVICE.latency.p50_ms[max(0, len(decision.run) - 1)]
    by_key = {frame.key: frame for frame in queue}
    assert all(by_key[key].deadline_ms >= in_time_ms for key in decision.run)
