"""An executor's joules: the batch loop tells of batches, the receiving thread what the meter says, and rows are written."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable

from ...core.clock import Clock
from ...core.mode import Mode, PowerTable, nearest_clock
from ...core.records import BatchRecord, EnergyRecord
from ...energy.account import EnergyAccount
from ...energy.attribution import BatchEnergy
from ...energy.port import ClockAsker, Energy, MeterFacts, Quality
from ...protos.internal_pb2 import EnergyRead
from ...scheduling.batching.port import Batch
from ..run_log import RunLog

_log = logging.getLogger(__name__)


class EnergySide:
    """A device has no meter until the governor tells of one, unless there is a table of its power; without, nothing is done."""

    def __init__(
        self,
        device_id: str,
        power: PowerTable | None,
        variants: Iterable[str],
        clocks: ClockAsker,
        clock: Clock,
        batches: RunLog[BatchRecord] | None,
        open_rows: Callable[[], RunLog[EnergyRecord] | None],
    ) -> None:
        """Takes the table and its variants in order, who knows the device's clock, and the logs: of energy once there is any."""
        self._device_id = device_id
        self._variants = {name: number for number, name in enumerate(variants)}
        self._clocks = clocks
        self._clock = clock
        self._batches = batches
        self._open_rows = open_rows
        self._rows: RunLog[EnergyRecord] | None = None
        self._lock = threading.Lock()
        self._has_streams = False
        self._account: EnergyAccount | None = None
        self._quality = Quality.UNAVAILABLE  # of what was read last
        self._read_ms = 0.0
        self._meter = ""
        self._problem = ""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, BatchRecord] = {}  # until it is known what they took
        self._table_mhz: list[float] = []
        if power is not None:
            clocks_mhz = {mode.clock_mhz for mode in power.power_w if mode.clock_mhz is not None}
            self._table_mhz = sorted(clocks_mhz)
            self._open(EnergyAccount.modelled(device_id, power, clock.now_ms()))
            self.beat()

    @property
    def clock_mhz(self) -> float | None:
        """That of the device; a `ClockAsker` itself, so that what it draws idle is known from then on."""
        return self._clocks.clock_mhz

    @property
    def clock_problem(self) -> str:
        """Likewise."""
        return self._clocks.clock_problem

    def ask_clock(self, mhz: float) -> None:
        """Asks for a clock."""
        self._clocks.ask_clock(mhz)
        self.clock_changed()

    def clock_changed(self) -> None:
        """The device is at another clock, and draws something else when idle."""
        with self._lock:
            self._tick()

    @property
    def said(self) -> EnergyRead | None:
        """What the meter has counted; None where there is none, or it cannot be read now."""
        with self._lock:
            self._tick()
            account = self._account
            if account is None or account.total_mj is None or self._quality == Quality.UNAVAILABLE:
                return None
            return EnergyRead(at_ms=self._read_ms, total_mj=account.total_mj, quality=self._quality)

    def plan(self, *, has_streams: bool) -> None:
        """A plan has come; for any thread, as all of these."""
        with self._lock:
            self._has_streams = has_streams
            if self._account is not None:
                self._note(self._account.plan(has_streams=has_streams, now_ms=self._clock.now_ms()))

    def began(self, batch: Batch, now_ms: float) -> int:
        """A batch begins; returns its number, for `ended`."""
        with self._lock:
            number = next(self._numbers)
            if self._account is not None:
                clock_mhz = self._note_clock(now_ms)
                mode = Mode(self._variants[batch.variant], batch.size, clock_mhz)
                self._note(self._account.began(number, mode, len(batch.frames), now_ms))
            return number

    def ended(self, number: int, record: BatchRecord | None, now_ms: float) -> float | None:
        """It has ended; returns what each of its frames took (mJ), if that is known already. Blank ones have no record."""
        with self._lock:
            if self._account is None or not self._account.has(number):
                self._write(record)
                return None
            if record is not None:
                self._waiting[number] = record
            known = self._account.ended(number, now_ms)
            self._note(known)
            mine = (one for one in known if one.batch == number)
            return next((one.frame_mj for one in mine if one.is_known), None)

    def read(self, read: EnergyRead | None) -> None:
        """Takes what the governor says of the meter; None where there is no governor any more."""
        with self._lock:
            if read is None and self._account is not None and self._meter:
                self._quality = Quality.UNAVAILABLE
                self._note(self._account.lost(self._clock.now_ms()))
            if read is None:
                return
            if read.meter != self._meter:
                self._meter = read.meter
                facts = MeterFacts(read.meter, read.scope, 0.0)
                self._open(EnergyAccount(self._device_id, facts))
            if self._account is not None:
                self._quality = Quality(read.quality)
                energy = Energy(read.total_mj, self._quality, read.problem)
                self._note(self._account.read(energy, read.at_ms))
                self._read_ms = read.at_ms
            if read.problem and read.problem != self._problem:
                _log.warning("%s: energy: %s", self._device_id, read.problem)
            self._problem = read.problem

    def beat(self) -> None:
        """Twice a second: reads a meter that is modelled, and writes rows."""
        with self._lock:
            self._tick()
            self._write_rows()

    def _tick(self) -> None:
        if self._account is not None and not self._meter:
            now_ms = self._clock.now_ms()
            self._quality = Quality.MODELLED
            self._note(self._account.tick(now_ms))
            self._read_ms = now_ms
            self._note_clock(now_ms)

    def close(self) -> None:
        """Writes what is left."""
        with self._lock:
            self._tick()
            if self._account is not None:
                self._account.close()
            self._write_rows()
            self._write_waiting()
            if self._rows is not None:
                self._rows.close()

    def _open(self, account: EnergyAccount) -> None:
        """Counts on this account from now on."""
        self._write_waiting()
        if self._rows is None:
            self._rows = self._open_rows()
        account.plan(has_streams=self._has_streams, now_ms=self._clock.now_ms())
        self._account = account

    def _note_clock(self, now_ms: float) -> float | None:
        """The device's clock as the table has it; None for its own."""
        mhz, clock_mhz = self._clocks.clock_mhz, None
        if mhz is not None and self._table_mhz:
            clock_mhz = nearest_clock(self._table_mhz, mhz)
        if self._account is not None:
            self._note(self._account.set_clock(clock_mhz, now_ms))
        return clock_mhz

    def _note(self, known: Iterable[BatchEnergy]) -> None:
        for one in known:
            record = self._waiting.pop(one.batch, None)
            if record is not None and one.is_known:
                energy_mj = one.frame_mj * record.batch_size
                record = record._replace(energy_mj=energy_mj, energy_quality=one.quality)
            self._write(record)

    def _write(self, record: BatchRecord | None) -> None:
        if record is not None and self._batches is not None:
            self._batches.write(record)

    def _write_waiting(self) -> None:
        """Nothing more will be known of these."""
        for record in self._waiting.values():
            self._write(record)
        self._waiting.clear()

    def _write_rows(self) -> None:
        if self._account is not None:
            if self._rows is not None:
                for row in self._account.rows:
                    self._rows.write(row)
            self._account.rows.clear()
