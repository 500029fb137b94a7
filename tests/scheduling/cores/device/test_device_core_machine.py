"""A device's core under whatever may happen to it, in whatever order: each frame ends once, and nobody waits for ever."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.registry import batcher
from moonjelly.scheduling.cores.device.core import DeviceCore
from moonjelly.scheduling.cores.device.instructions import DeviceOrders, LoadCause
from moonjelly.scheduling.cores.device.waiting_frames import SPEAK_EVERY_MS

LATENCIES = {
    name: BatchLatency(tuple(ms * (1 + k) for k in range(4)), tuple(ms * (2 + k) for k in range(4)))
    for name, ms in (("a", 2.0), ("b", 5.0), ("c", 5.0), ("d", 40.0))
}
PUBLISHED = {
    name: BatchLatency((2.0 + k,) * 4, (3.0 + k,) * 4) for k, name in enumerate("abcdefghijklmnop")
}
BY_CLOCK = {
    mhz: {
        name: BatchLatency(
            tuple(ms * 1200 / mhz for ms in one.p50_ms),
            tuple(ms * 1200 / mhz for ms in one.p99_ms),
        )
        for name, one in LATENCIES.items()
    }
    for mhz in (300.0, 600.0, 1200.0)
}
SIDES_PX = dict.fromkeys(PUBLISHED, 128) | {"a": 32, "b": 64, "c": 64, "d": 96}
BATCHERS = ("deadline", "patient", "fair", "fixed:3", "interval:30")
times = st.integers(0, 60).map(float)


class Device(RuleBasedStateMachine):
    """A shell that does what it is told, or fails to."""

    batching = "deadline"
    depth = 1
    needs_decoding = True
    num_loaded = 3
    latencies = LATENCIES
    by_clock = None

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0.0
        self.core = DeviceCore(
            self.latencies,
            batcher(self.batching),
            num_loaded=self.num_loaded,
            sides_px=SIDES_PX if self.needs_decoding else None,
            depth=self.depth,
            by_clock=self.by_clock,
        )
        self.core.loaded("a")
        self.loaded = {"a"}
        self.open: set[int] = set()  # frames that have not ended
        self.num_taken = 0
        self.under_way: list = []
        self.decoding: dict[int, tuple[int, int]] = {}
        self.loading: dict[LoadCause, str] = {}
        self.is_stale = True  # something has happened since the device was asked

    def end(self, key: int) -> None:
        assert key in self.open, f"frame {key} ended twice"
        self.open.remove(key)

    @rule(after_ms=times)
    def time_passes(self, after_ms: float) -> None:
        self.now_ms += after_ms
        self.is_stale = True

    @rule(left_ms=times, is_alone=st.booleans(), tenant=st.sampled_from(["local", "a", "b"]))
    def frame_comes(self, left_ms: float, is_alone: bool, tenant: str) -> None:
        deadline_ms = self.now_ms + left_ms
        self.core.take(self.num_taken, deadline_ms, self.now_ms, is_alone=is_alone, tenant=tenant)
        self.open.add(self.num_taken)
        self.num_taken += 1
        self.is_stale = True

    @precondition(lambda self: self.num_taken)
    @rule(which=st.integers(0, 100))
    def frame_is_cancelled(self, which: int) -> None:
        key = which % self.num_taken
        if self.core.cancel(key):
            self.end(key)
        self.is_stale = True

    @rule(number=st.integers(0, 15), batch_size=st.integers(0, 9))
    def plan_comes(self, number: int, batch_size: int) -> None:
        variant = list(self.latencies)[number % len(self.latencies)]
        self.core.order(DeviceOrders(variant, batch_size, 100.0, self.num_taken))
        self.is_stale = True

    @rule(cause=st.sampled_from(LoadCause))
    def loading_begins(self, cause: LoadCause) -> None:
        if cause in self.loading:
            return
        step = self.core.load(cause)
        for variant in step.unload:
            assert variant != self.core.variants.active
            assert variant not in {batch.variant for batch in self.under_way}
            assert variant not in self.loading.values()
            self.loaded.remove(variant)
        if step.load:
            self.loading[cause] = step.load

    @precondition(lambda self: self.loading)
    @rule(is_good=st.booleans(), data=st.data())
    def loading_ends(self, is_good: bool, data) -> None:
        variant = self.loading.pop(data.draw(st.sampled_from(sorted(self.loading))))
        if is_good:
            self.loaded.add(variant)
        (self.core.loaded if is_good else self.core.broke)(variant)
        self.is_stale = True

    @rule(decoder=st.integers(0, 1))
    def decoder_asks(self, decoder: int) -> None:
        if self.needs_decoding and decoder not in self.decoding:
            key = self.core.decode(decoder)
            if key is not None:
                assert key in self.open
                assert key not in {one for one, _ in self.decoding.values()}
                assert not any(batch.is_alone for batch in self.under_way)
                self.decoding[decoder] = key, self.core.side_px

    @precondition(lambda self: self.decoding)
    @rule(is_good=st.integers(0, 4).map(bool), data=st.data())
    def decoding_ends(self, is_good: bool, data) -> None:
        decoder = data.draw(st.sampled_from(sorted(self.decoding)))
        key, side_px = self.decoding.pop(decoder)
        is_waiting = self.core.decoded(decoder, side_px if is_good else 0)
        assert is_waiting == (key in self.open)
        if is_waiting and not is_good:
            self.end(key)
        self.is_stale = True

    def set_clock(self, mhz: float) -> None:
        raise AssertionError(f"nobody planned {mhz} MHz")

    def look_at_clock(self) -> None:
        """There is none."""

    @rule()
    def device_asks(self) -> None:
        self.look_at_clock()
        turn = self.core.turn(self.now_ms)
        if turn.ask_mhz is not None:
            assert not self.under_way
            assert (turn.batch, turn.drop, turn.must_finish) == (None, (), False)
            self.set_clock(turn.ask_mhz)
            self.is_stale = True
            return
        for key, _ in turn.drop:
            self.end(key)
        self.is_stale = bool(turn.drop)
        if turn.batch is not None:
            assert len(self.under_way) < self.depth
            assert turn.batch.variant == self.core.variants.active
            assert all(frame.key in self.open for frame in turn.batch.frames)
            assert len(turn.batch.frames) <= max(self.core.batch_size, self.core.max_batch_size)
            self.check_clock(turn.batch)
            if turn.batch.is_alone:
                assert not self.under_way
                assert not self.decoding
            self.under_way.append(turn.batch)
            self.is_stale = True
        elif len(self.core.frames) and not turn.drop:
            # nobody waits for long: the next batch, a deadline or a sign of life comes first
            latest_ms = self.now_ms + max(60.0, SPEAK_EVERY_MS)
            assert turn.must_finish or turn.wait_until_ms <= latest_ms or self.decoding
            assert turn.wait_until_ms > self.now_ms or turn.must_finish
        assert not turn.must_finish or self.under_way

    def check_clock(self, batch) -> None:
        assert batch.clock_mhz is None

    @precondition(lambda self: self.under_way)
    @rule(slowness=st.sampled_from([0.7, 1.0, 1.0, 3.0, 20.0]), how=st.integers(0, 5))
    def batch_ends(self, slowness: float, how: int) -> None:
        batch = self.under_way.pop(0)
        took_ms = slowness * batch.p50_ms
        self.now_ms += took_ms
        if how == 0 and batch.is_alone:
            self.core.ran(batch, 0.0, self.now_ms, is_good=False)
        else:
            self.core.ran(batch, took_ms, self.now_ms, is_good=how > 1, decode_ms=1.0)
        for frame in batch.frames:
            self.end(frame.key)
        if self.core.condition.is_status_due(self.now_ms):
            self.core.condition.told(self.now_ms)
        self.is_stale = True

    @invariant()
    def what_runs_is_loaded(self) -> None:
        assert self.core.variants.active in self.loaded
        assert {batch.variant for batch in self.under_way} <= self.loaded

    @invariant()
    def no_more_is_loaded_than_there_are_slots(self) -> None:
        held = self.loaded.union(self.loading.values())
        assert held == self.core.variants.held
        assert len(held) <= max(2, self.num_loaded)

    @invariant()
    def nothing_contradicts_itself(self) -> None:
        self.core.check_invariants()

    def teardown(self) -> None:
        """Whatever was left undone ends when everybody does what he is told."""
        for _ in range(20 * self.num_taken + 60):
            while self.decoding:
                decoder, (_, side_px) = self.decoding.popitem()
                self.core.decoded(decoder, side_px)
            if self.under_way:
                self.batch_ends(1.0, 5)
            for decoder in range(2):
                self.decoder_asks(decoder)
            for cause in LoadCause:
                self.loading_begins(cause)
            while self.loading:
                variant = self.loading.popitem()[1]
                self.loaded.add(variant)
                self.core.loaded(variant)
            self.device_asks()
            if not self.open and not self.under_way and self.is_loaded_as_wished:
                return
            if not self.is_stale:
                self.now_ms += 20.0
        raise AssertionError(
            f"frames {sorted(self.open)} never end, or what is wished is never loaded"
        )

    @property
    def is_loaded_as_wished(self) -> bool:
        variants = self.core.variants
        return self.loaded.issuperset(set(variants.window(variants.active)))


class OverlappingDevice(Device):
    depth = 2
    num_loaded = 2


class PatientDevice(Device):
    batching = "patient"
    depth = 2


class FairDevice(Device):
    batching = "fair"
    depth = 2


class FixedDevice(Device):
    batching = "fixed:3"
    num_loaded = 1


class IntervalDevice(Device):
    batching = "interval:30"
    needs_decoding = False


class PublishedDevice(Device):
    """Five of sixteen networks, and one batch chosen while another runs."""

    latencies = PUBLISHED
    num_loaded = 5
    depth = 2


class ClockedDevice(Device):
    """A clock that follows some time after it was asked, if the machine does not refuse it or hold it down."""

    by_clock = BY_CLOCK

    def __init__(self) -> None:
        super().__init__()
        self.mhz, self.delay_ms, self.is_refused = 1200.0, 10.0, False
        self.is_held = False  # until it is asked for another clock
        self.to_come: list[tuple[float, float]] = []

    def follow(self) -> None:
        """Has the clock change, whose change is due."""
        while self.to_come and self.to_come[0][0] <= self.now_ms:
            mhz = self.to_come.pop(0)[1]
            assert mhz >= self.mhz or not self.under_way, "it falls under a running batch"
            self.mhz = mhz

    @rule(after_ms=times)
    def time_passes(self, after_ms: float) -> None:
        super().time_passes(after_ms)
        self.follow()

    @precondition(lambda self: self.under_way)
    @rule(slowness=st.sampled_from([0.7, 1.0, 1.0, 3.0, 20.0]), how=st.integers(0, 5))
    def batch_ends(self, slowness: float, how: int) -> None:
        before = self.core.condition.slowdown.slowness
        batch = self.under_way[0]
        super().batch_ends(slowness, how)
        if batch.clock_epoch != self.core.clock.epoch:
            assert self.core.condition.slowdown.slowness == before, "learned of two clocks"
        self.follow()

    @rule(
        number=st.integers(0, 15),
        batch_size=st.integers(0, 9),
        mhz=st.sampled_from([None, 300.0, 600.0, 1200.0]),
        fps=st.sampled_from([0.0, 2.0, 100.0]),
    )
    def plan_comes(self, number: int, batch_size: int, mhz: float | None, fps: float) -> None:
        variant = list(self.latencies)[number % len(self.latencies)]
        self.core.order(DeviceOrders(variant, batch_size, fps, self.num_taken, mhz))
        self.is_stale = True

    @rule(delay_ms=st.sampled_from([0.0, 1.0, 40.0, 400.0]), is_refused=st.booleans())
    def machine_is_another(self, delay_ms: float, is_refused: bool) -> None:
        self.delay_ms, self.is_refused = delay_ms, is_refused

    @rule(mhz=st.sampled_from([300.0, 700.0]))
    def machine_holds_it_down(self, mhz: float) -> None:
        self.mhz = min(self.mhz, mhz)  # also under what runs: nobody asked for that
        self.is_held = True

    def set_clock(self, mhz: float) -> None:
        self.is_held = self.is_refused
        if not self.is_refused:
            self.to_come.append((self.now_ms + self.delay_ms, mhz))
            self.follow()

    def look_at_clock(self) -> None:
        self.core.at_clock(self.mhz, self.now_ms, is_refused=self.is_held)

    def check_clock(self, batch) -> None:
        planned, asked = self.core.variants.orders.clock_mhz, self.core.clock.asked_mhz
        assert planned is None or (asked or 1200.0) >= planned, (
            "a parked device was not brought back"
        )
        table = self.by_clock[batch.clock_mhz][batch.variant]
        assert batch.p50_ms == table.p50_ms[batch.size - 1]
        assert abs(batch.clock_mhz - self.mhz) <= 100  # judged by what is reached

    def teardown(self) -> None:
        super().teardown()
        self.delay_ms, self.is_refused, self.is_held = 10.0, False, False
        self.mhz = self.core.clock.asked_mhz or 1200.0  # nothing holds it down any more
        for planned_mhz, fps in (
            (1200.0, 0.0),
            (600.0, 0.0),
        ):  # idle, parked, and what was refused is asked for anew
            orders = DeviceOrders(self.core.variants.active, 1, fps, self.num_taken, planned_mhz)
            self.core.order(orders)
            for _ in range(60):
                self.device_asks()
                if self.under_way:
                    self.batch_ends(1.0, 5)  # a blank one
                self.time_passes(10.0)
            is_watched = self.decoding or self.core.condition.probe_at_ms() < math.inf
            assert self.mhz == (planned_mhz if is_watched else 300.0)
            self.frame_comes(60.0, False, "local")
            for _ in range(10):
                self.device_asks()
                self.time_passes(5.0)
                if self.mhz == planned_mhz:
                    break
            assert self.mhz == planned_mhz, "it never comes back"
            super().teardown()


class OverlappingClockedDevice(ClockedDevice):
    depth = 2
    needs_decoding = False


LIMITS = settings(max_examples=60, stateful_step_count=60, deadline=None)
for machine in (
    Device,
    OverlappingDevice,
    PatientDevice,
    FairDevice,
    FixedDevice,
    IntervalDevice,
    PublishedDevice,
    ClockedDevice,
    OverlappingClockedDevice,
):
    machine.TestCase.settings = LIMITS
TestDevice = Device.TestCase
TestOverlappingDevice = OverlappingDevice.TestCase
TestPatientDevice = PatientDevice.TestCase
TestFairDevice = FairDevice.TestCase
TestFixedDevice = FixedDevice.TestCase
TestIntervalDevice = IntervalDevice.TestCase
TestPublishedDevice = PublishedDevice.TestCase
TestClockedDevice = ClockedDevice.TestCase
TestOverlappingClockedDevice = OverlappingClockedDevice.TestCase


@settings(deadline=None)
@given(
    lefts_ms=st.lists(st.integers(1, 300), unique=True, min_size=1, max_size=12),
    num_cancelled=st.integers(0, 3),
    random=st.randoms(use_true_random=False),
)
def test_two_orders_of_what_happens_at_the_same_time_end_in_the_same_ledger(
    lefts_ms: list[int], num_cancelled: int, random: Random
) -> None:
    def ledger(moment: list[Callable[[DeviceCore], object]]) -> dict[int, str]:
        core = DeviceCore(LATENCIES, batcher("deadline"), num_loaded=1)
        core.loaded("a")
        for key, left_ms in enumerate(lefts_ms[:num_cancelled]):  # came before
            core.take(100 + key, float(left_ms) + 5, 0.0)
        for happens in moment:
            happens(core)
        ended, now_ms = {}, 10.0
        while len(core.frames):
            turn = core.turn(now_ms)
            ended.update({key: str(reason) for key, reason in turn.drop})
            if turn.batch is not None:
                now_ms += turn.batch.p50_ms
                ended.update({one.key: turn.batch.variant for one in turn.batch.frames})
                core.ran(turn.batch, turn.batch.p50_ms, now_ms)
            elif not turn.drop:
                now_ms = turn.wait_until_ms
        return ended

    moment: list[Callable[[DeviceCore], object]] = [
        lambda core, key=key, at_ms=10.0 + left_ms: core.take(key, at_ms, 10.0)
        for key, left_ms in enumerate(lefts_ms)
    ]
    moment += [lambda core, key=100 + key: core.cancel(key) for key in range(num_cancelled)]
    moment.append(lambda core: core.order(DeviceOrders("b", 4, 0.0, 1)))
    moment.append(lambda core: core.loaded("b"))
    shuffled = random.sample(moment, len(moment))
    assert ledger(shuffled) == ledger(moment)
