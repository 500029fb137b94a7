"""Devices: what executors decide, with a profile's time for each batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from random import Random

from ..core.mode import Mode, PowerTable
from ..core.profile import BatchLatency
from ..core.records import BatchRecord, EnergyRecord, LoadRecord
from ..core.verdict import Reason
from ..devices.replay import ALWAYS_AS_PROFILED, ReplayedLatency, SlowdownScript
from ..energy.account import EnergyAccount
from ..scheduling.batching.port import Batch
from ..scheduling.cores.device.core import DeviceCore
from ..scheduling.cores.device.instructions import DeviceOrders, LoadCause
from ..scheduling.slowness import Slowness
from .chance import log_normal
from .events import EventQueue, Priority
from .frame import SimulatedFrame
from .meters import TICK_MS, DepartingMeter
from .scenario import Sampling

DrawMs = Callable[[str, int], float]
"""How long the next batch of a variant and size takes (ms)."""


def draw_latency(
    sampling: Sampling, latencies: Mapping[str, BatchLatency], random: Random
) -> DrawMs:
    """Returns what batch times are drawn with."""
    if sampling is Sampling.REPLAYED:
        return ReplayedLatency(latencies).next_ms

    def draw_ms(variant: str, batch_size: int) -> float:
        latency = latencies[variant]
        return log_normal(latency.p50_ms[batch_size - 1], latency.p99_ms[batch_size - 1], random)

    return draw_ms


class SimulatedClock:
    """The clock of a device, which follows some time after it was asked.

    Attributes:
        mhz: as it is; None while nobody has asked for any.
    """

    def __init__(
        self, change_ms: float, draws_ms: Mapping[float, DrawMs], events: EventQueue
    ) -> None:
        """Has the clocks of `draws_ms`, with what batch times are drawn with at each of them; a change takes `change_ms`."""
        self.mhz: float | None = None
        self._change_ms = change_ms
        self._draws_ms = draws_ms
        self._events = events

    def ask(self, mhz: float, on_change: Callable[[], None]) -> None:
        """Has it change; `on_change` is called when it has."""

        def change() -> None:
            self.mhz = mhz
            on_change()

        self._events.at(self._events.now_ms + self._change_ms, Priority.DONE, change)

    def draw_ms(self, variant: str, batch_size: int, own_ms: DrawMs) -> float:
        """How long the next batch takes; `own_ms` tells it at the device's own clock."""
        return self._draws_ms.get(self.mhz or 0.0, own_ms)(variant, batch_size)


class SimulatedDevice:
    """Runs one batch at a time; decides anew when a batch ends, a frame comes or a wait is over.

    Attributes:
        device_id: its name.
        generation: counts its returns.
        is_busy: whether a batch runs.
    """

    def __init__(
        self,
        device_id: str,
        generation: int,
        core: DeviceCore,
        draw_ms: DrawMs,
        load_ms: float,
        events: EventQueue,
        *,
        slowdown: SlowdownScript = ALWAYS_AS_PROFILED,
        probes_until_ms: float = 0.0,
        on_answers: Callable[
            [SimulatedDevice, Batch, list[SimulatedFrame], float, float | None], None
        ],
        on_drop: Callable[[SimulatedDevice, SimulatedFrame, Reason], None],
        on_status: Callable[[SimulatedDevice, Slowness], None],
        on_batch: Callable[[BatchRecord], None] | None,
        on_load: Callable[[LoadRecord], None] | None = None,
        power: PowerTable | None = None,
        variants: Sequence[str] = (),
        on_energy: Callable[[EnergyRecord], None] | None = None,
        clock: SimulatedClock | None = None,
        meter: DepartingMeter | None = None,
        on_meter: Callable[[SimulatedDevice, float], None] | None = None,
    ) -> None:
        """Starts idle, and runs nothing before its first orders.

        With a table of power, in the order of `variants`, it has a modelled meter; `on_meter` takes what `meter` makes of it, tick by tick.

        The active variant runs on for `load_ms` until another is there. Blank batches end at `probes_until_ms`, so that the run
        does. Its answers, drops, due statuses, batches and loads go to those who are given; None for `on_batch` spares the rows.
        """
        self.device_id = device_id
        self.generation = generation
        self._core = core
        self._draw_ms = draw_ms
        self._load_ms = load_ms
        self._clock = clock or SimulatedClock(0.0, {}, events)
        self._slowdown = slowdown
        self._probes_until_ms = probes_until_ms
        self._events = events
        self._on_answers = on_answers
        self._on_drop = on_drop
        self._on_status = on_status
        self._on_batch = on_batch
        self._on_load = on_load
        self._on_energy = on_energy
        self._variants = {name: number for number, name in enumerate(variants)}
        self._energy: EnergyAccount | None = None
        self._meter: DepartingMeter | None = None
        if power is not None:
            self._energy = EnergyAccount.modelled(device_id, power, events.now_ms)
            if meter is not None and on_meter is not None:
                self._meter, self._on_meter = meter, on_meter
                events.at(events.now_ms, Priority.DONE, self._tick_meter)
        self._loading: set[LoadCause] = set()
        self._frames: dict[int, SimulatedFrame] = {}
        self._keys = count()
        self.is_busy = False
        self._is_gone = False
        self._num_batches = 0
        self._num_decisions = 0  # a wake-up counts only if nothing was decided since it was set
        self._decides_at_ms = -1.0

    def set_orders(self, orders: DeviceOrders) -> None:
        """Takes a plan. The variants of the first one are there: the server has been up for long."""
        takes_ms = self._load_ms if self._core.variants.active else 0.0
        self._core.order(orders)
        if self._energy is not None:
            self._energy.plan(has_streams=orders.arrival_fps > 0, now_ms=self._events.now_ms)
        self._load(takes_ms)
        self._wake()

    def go(self) -> None:
        """It is gone, with all that it has; nothing more is heard of it."""
        self._is_gone = True
        self.close()

    @property
    def total_mj(self) -> float | None:
        """What its meter has counted; None where it has none."""
        if self._meter is not None:
            return self._meter.total_mj
        return None if self._energy is None else self._energy.total_mj

    def _tick_meter(self) -> None:
        """Reads the meter, and again after a tick until the run is over."""
        if self._is_gone or self._meter is None or self._energy is None:
            return
        now_ms = self._events.now_ms
        self._energy.tick(now_ms)
        self._meter.tick(self._energy.total_mj or 0.0)
        self._on_meter(self, self._meter.total_mj)
        if now_ms + TICK_MS < self._probes_until_ms:
            self._events.at(now_ms + TICK_MS, Priority.DONE, self._tick_meter)

    def close(self) -> None:
        """The run is over: hands out what its energy was to the end."""
        if self._energy is not None:
            self._energy.tick(self._events.now_ms)
            self._energy.close()
            self._tell_energy(self._energy)

    def _tell_energy(self, energy: EnergyAccount) -> None:
        for row in energy.rows:
            if self._on_energy is not None:
                self._on_energy(row)
        energy.rows.clear()

    def _load(self, takes_ms: float) -> None:
        """Has loaded what a plan waits for, and beside it the neighbours of what runs."""
        core, now_ms = self._core, self._events.now_ms
        for cause in LoadCause:
            while cause not in self._loading and (variant := core.load(cause).load):
                if takes_ms:
                    self._loading.add(cause)
                    end_ms = now_ms + takes_ms
                    self._events.at(
                        end_ms, Priority.DECISION, self._end_loading, cause, variant, now_ms
                    )
                else:
                    core.loaded(variant)

    def _end_loading(self, cause: LoadCause, variant: str, at_ms: float) -> None:
        if self._is_gone:
            return
        self._core.loaded(variant)
        if self._on_load is not None:
            took_ms, num_held = self._events.now_ms - at_ms, len(self._core.variants.held)
            self._on_load(LoadRecord(self.device_id, at_ms, variant, cause, took_ms, num_held))
        self._loading.remove(cause)
        self._load(self._load_ms)
        self._wake()

    def take(self, frame: SimulatedFrame) -> None:
        """Queues a frame."""
        if self._is_gone:
            return
        now_ms = self._events.now_ms
        key = next(self._keys)
        self._frames[key] = frame
        tenant = frame.gate.declared.key.tenant
        self._core.take(key, frame.deadline_ms, now_ms, tenant=tenant)
        self._wake()

    def _wake(self) -> None:
        """Has it decide at the end of this moment, once everything that happens in it is there."""
        now_ms = self._events.now_ms
        if self.is_busy or self._decides_at_ms == now_ms:
            return
        self._decides_at_ms = now_ms
        self._events.at(now_ms, Priority.DECISION, self._decide)

    def _decide_if_nothing_was(self, num_decisions: int) -> None:
        if num_decisions == self._num_decisions and not self.is_busy:
            self._decide()

    def _decide(self) -> None:
        self._decides_at_ms = -1.0
        core, now_ms = self._core, self._events.now_ms
        while (
            not self._is_gone
            and core.variants.active
            and (len(core.frames) or now_ms < self._probes_until_ms)
        ):
            self._num_decisions += 1
            core.at_clock(self._clock.mhz, now_ms)
            turn = core.turn(now_ms)
            if turn.ask_mhz is not None:
                self._clock.ask(turn.ask_mhz, self._clock_changed)
                continue
            for key, reason in turn.drop:
                self._on_drop(self, self._frames.pop(key), reason)
            if turn.batch is not None:
                self._start(turn.batch)
                return
            wait_ms = turn.wait_until_ms
            if wait_ms > now_ms:
                if wait_ms < (math.inf if len(core.frames) else self._probes_until_ms):
                    self._events.at(
                        wait_ms,
                        Priority.DECISION,
                        self._decide_if_nothing_was,
                        self._num_decisions,
                    )
                return

    def _clock_changed(self) -> None:
        if self._is_gone:
            return
        if self._energy is not None:
            self._energy.set_clock(self._clock.mhz, self._events.now_ms)
        self._wake()

    def _start(self, batch: Batch) -> None:
        now_ms = self._events.now_ms
        took_ms = self._clock.draw_ms(batch.variant, batch.size, self._draw_ms)
        took_ms *= self._slowdown.factor(now_ms)
        self.is_busy = True
        frames = [self._frames.pop(queued.key) for queued in batch.frames]
        self._num_batches += 1
        if self._energy is not None:
            mode = Mode(self._variants[batch.variant], batch.size, self._clock.mhz)
            self._energy.began(self._num_batches, mode, len(frames), now_ms)
        self._events.at(now_ms + took_ms, Priority.DONE, self._end, batch, frames, took_ms)

    def _end(self, batch: Batch, frames: list[SimulatedFrame], took_ms: float) -> None:
        if self._is_gone:
            return
        now_ms = self._events.now_ms
        self.is_busy = False
        frame_mj: float | None = None
        quality = ""
        if self._energy is not None:
            for one in self._energy.ended(self._num_batches, now_ms):
                if one.is_known:
                    frame_mj, quality = one.frame_mj, one.quality
            self._tell_energy(self._energy)
        if frames and self._on_batch is not None:
            energy_mj = None if frame_mj is None else frame_mj * len(frames)
            record = batch.record(self.device_id, took_ms)
            self._on_batch(record._replace(energy_mj=energy_mj, energy_quality=quality))
        if frames:
            self._on_answers(self, batch, frames, took_ms, frame_mj)
        self._core.at_clock(self._clock.mhz, now_ms)
        self._core.ran(batch, took_ms, now_ms)
        if batch.variant != self._core.variants.active:
            self._load(self._load_ms)  # it may be unloaded
        condition = self._core.condition
        if condition.is_status_due(now_ms):
            condition.told(now_ms)
            self._on_status(self, condition.slowdown.slowness)
        self._wake()
