"""The joules of one device as its batches run and its meter is read: what logs say of them, live and simulated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ..core.mode import Mode, PowerTable
from ..core.records import EnergyRecord
from .attribution import NOBODY, Attribution, BatchEnergy, Interval
from .meters import MOST_W
from .modelled import ModelledMeter
from .port import Energy, MeterFacts, Quality

ROW_MS = 1000.0
STILL_MS = 500.0  # without a batch, to tell what the device draws then
PLANNED = "planned"


@dataclass(slots=True)
class _Still:
    """A time without batches."""

    ms: float = 0.0
    mj: float = 0.0


class EnergyAccount:
    """Takes batches by their numbers, and readings of the meter. Times are of one clock and never fall.

    Attributes:
        total_mj: what was counted; None before the first reading.
        rows: what is to be written down, at most one a second but where the quality changes; to be cleared.
    """

    def __init__(self, device_id: str, facts: MeterFacts) -> None:
        """Has a meter that others read, which is to tell what the device draws while nothing runs, too."""
        self.total_mj: float | None = None
        self.rows: list[EnergyRecord] = []
        self._device_id = device_id
        self._facts = facts
        self._modelled: ModelledMeter | None = None
        self._idle_w: Mapping[float | None, float] = {}
        self._clock_mhz: float | None = None
        self._attribution = Attribution(MOST_W)
        self._running: dict[int, Mode] = {}
        self._has_run = False  # since the meter moved last
        self._still = _Still()
        self._row: EnergyRecord | None = None
        self._meter_mj = self._earlier_mj = 0.0  # of this meter, of those before it

    @classmethod
    def modelled(cls, device_id: str, power: PowerTable, now_ms: float) -> Self:
        """Has a modelled meter, which is told what runs, and read whenever that changes."""
        made = cls(device_id, ModelledMeter.facts)
        made._modelled = ModelledMeter(power, now_ms)
        made._idle_w = power.idle_w
        made._attribution.idle_w = power.idle_w[None]
        made.tick(now_ms)
        return made

    @property
    def is_idle_known(self) -> bool:
        """Whether what the device draws while nothing runs is known; before nothing can be above it."""
        return self._attribution.idle_w < MOST_W

    def has(self, batch: int) -> bool:
        """Whether that has begun here, and not ended."""
        return batch in self._running

    def plan(self, *, has_streams: bool, now_ms: float) -> tuple[BatchEnergy, ...]:
        """A plan has come; returns what is known of batches by that."""
        known = self.tick(now_ms)
        self._attribution.plan({PLANNED: 1.0} if has_streams else {})
        return known

    def set_clock(self, clock_mhz: float | None, now_ms: float) -> tuple[BatchEnergy, ...]:
        """The device is at a clock of the table, None for its own; returns what is known of batches by that."""
        if self._modelled is None or clock_mhz == self._clock_mhz:
            return ()
        known = self.tick(now_ms)
        self._clock_mhz = clock_mhz
        self._attribution.idle_w = self._idle_w.get(clock_mhz, self._idle_w[None])
        self._tell_model(now_ms)
        return known

    def began(
        self, batch: int, mode: Mode, num_frames: int, now_ms: float
    ) -> tuple[BatchEnergy, ...]:
        """A batch runs, or a blank one, which counts as a frame; returns what is known of others by that."""
        known = self.tick(now_ms)
        self._running[batch] = mode
        self._has_run = True
        self._attribution.began(batch, max(1, num_frames), now_ms)
        self._tell_model(now_ms)
        return known

    def ended(self, batch: int, now_ms: float) -> tuple[BatchEnergy, ...]:
        """It runs no more; returns what is known of batches by that."""
        del self._running[batch]
        self._attribution.ended(batch, now_ms)
        known = self.tick(now_ms)
        self._tell_model(now_ms)
        return known

    def tick(self, now_ms: float) -> tuple[BatchEnergy, ...]:
        """Time has passed; to be called twice a second where the meter is modelled."""
        return () if self._modelled is None else self.read(self._modelled.read(now_ms), now_ms)

    def read(self, energy: Energy, now_ms: float) -> tuple[BatchEnergy, ...]:
        """Takes a reading of the meter; one of a new meter begins below the last of the one before."""
        if energy.total_mj < self._meter_mj:
            self._earlier_mj += self._meter_mj - energy.total_mj
            energy = energy._replace(quality=Quality.UNAVAILABLE)
        self._meter_mj = energy.total_mj
        self.total_mj = self._earlier_mj + energy.total_mj
        interval = self._attribution.read(energy._replace(total_mj=self.total_mj), now_ms)
        if interval is None:
            return ()
        self._add(interval)
        known = interval.ended
        if not self.is_idle_known:
            known = tuple(one._replace(quality=Quality.UNAVAILABLE) for one in known)
        if self._modelled is None:
            self._learn_idle(interval)
        self._has_run = bool(self._running)
        return known

    def lost(self, now_ms: float) -> tuple[BatchEnergy, ...]:
        """Nobody reads the meter any more."""
        return self.read(Energy(self._meter_mj, Quality.UNAVAILABLE), now_ms)

    def close(self) -> None:
        """Has the last row written down."""
        if self._row is not None:
            self.rows.append(self._row)
            self._row = None

    def _tell_model(self, now_ms: float) -> None:
        if self._modelled is not None and self._running:
            self._modelled.runs(next(reversed(self._running.values())), now_ms)
        elif self._modelled is not None:
            self._modelled.idles(self._clock_mhz, now_ms)

    def _learn_idle(self, interval: Interval) -> None:
        """Takes the least power of half a second in which nothing ran."""
        still = self._still
        if self._has_run or interval.quality is Quality.UNAVAILABLE:
            still.ms = still.mj = 0.0
            return
        still.ms += interval.end_ms - interval.begin_ms
        still.mj += sum(interval.idle_mj.values())
        if still.ms >= STILL_MS:
            self._attribution.idle_w = min(self._attribution.idle_w, still.mj / still.ms)
            still.ms = still.mj = 0.0

    def _add(self, interval: Interval) -> None:
        row = self._row
        if row is None or row.quality != interval.quality or row.end_ms >= row.begin_ms + ROW_MS:
            self.close()
            facts, begin_ms = self._facts, interval.begin_ms
            row = EnergyRecord(self._device_id, begin_ms, begin_ms, 0.0, 0.0, 0.0,
                               interval.quality, facts.name, facts.scope)  # fmt: skip
        self._row = row._replace(
            end_ms=interval.end_ms,
            above_mj=row.above_mj + interval.above_mj,
            idle_mj=row.idle_mj + interval.idle_mj.get(PLANNED, 0.0),
            unplanned_mj=row.unplanned_mj + interval.idle_mj[NOBODY],
        )
