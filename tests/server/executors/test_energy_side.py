"""An executor's joules: rows of batches and seconds, from a table or from what the governor says of a meter."""

from __future__ import annotations

import pytest
from virtual_clock import VirtualClock

from moonjelly.core.mode import Mode, PowerTable
from moonjelly.energy.port import Quality
from moonjelly.protos.internal_pb2 import EnergyRead
from moonjelly.scheduling.batching.port import Batch, QueuedFrame
from moonjelly.server.executors.energy_side import EnergySide

IDLE_W = 5.0
POWER = PowerTable(
    {Mode(1, 2): 25.0, Mode(1, 2, 600.0): 15.0, Mode(1, 1): 20.0}, {None: IDLE_W, 600.0: 2.0}
)


class Rows(list):
    """A run log."""

    write = list.append

    def close(self) -> None:
        """Nothing is buffered."""


class Clocks:
    clock_mhz: float | None = None

    def ask_clock(self, mhz: float) -> None:
        self.clock_mhz = mhz


class Bench:
    def __init__(self, power: PowerTable | None = None) -> None:
        self.clock, self.clocks = VirtualClock(), Clocks()
        self.batches, self.seconds, self.num_opened = Rows(), Rows(), 0
        self.side = EnergySide(
            "gpu0", power, ["small", "large"], self.clocks, self.clock, self.batches, self.open
        )

    def open(self) -> Rows:
        self.num_opened += 1
        return self.seconds

    def run(self, took_ms: float = 100.0, size: int = 2) -> float | None:
        frames = tuple(QueuedFrame(key, 0.0, 1e6) for key in range(size))
        batch = Batch(frames, "large", 1.0, 1.0, self.clock.now_ms(), 0.0, 4, 0, 1)
        number = self.side.began(batch, self.clock.now_ms())
        self.pass_time(took_ms)
        record = batch.record("gpu0", took_ms) if frames else None
        return self.side.ended(number, record, self.clock.now_ms())

    def pass_time(self, ms: float) -> None:
        self.clock.advance_to(self.clock.now_ms() + ms)

    def read(self, total_mj: float, quality: Quality = Quality.MEASURED, problem: str = "") -> None:
        said = EnergyRead(at_ms=self.clock.now_ms(), total_mj=total_mj, quality=quality,
                          problem=problem, meter="nvml", scope="gpu")  # fmt: skip
        self.side.read(said)


def test_a_table_tells_at_once_what_a_frame_took():
    bench = Bench(POWER)
    assert bench.run() == pytest.approx((25 - IDLE_W) * 100 / 2)
    bench.side.ask_clock(605.0)  # what was reached; the table says 600
    bench.pass_time(1000)
    assert bench.side.clock_mhz == 605.0
    assert bench.run() == pytest.approx((15 - 2) * 100 / 2)
    assert [(row.energy_mj, row.energy_quality) for row in bench.batches] == [
        (pytest.approx(2000), "modelled"),
        (pytest.approx(1300), "modelled"),
    ]
    assert bench.side.said.total_mj == pytest.approx(2500 + 2000 + 1500)


def test_rows_of_seconds_add_up_with_idle_time_by_what_is_planned():
    bench = Bench(POWER)
    bench.pass_time(500)
    bench.side.plan(has_streams=True)
    bench.pass_time(400)
    bench.run()
    bench.side.beat()
    bench.pass_time(500)
    bench.side.close()
    assert sum(row.unplanned_mj for row in bench.seconds) == pytest.approx(500 * IDLE_W)
    assert sum(row.above_mj for row in bench.seconds) == pytest.approx(2000)
    assert sum(row.idle_mj for row in bench.seconds) == pytest.approx(1000 * IDLE_W)


def test_a_mode_without_power_is_a_row_without_energy():
    bench = Bench(POWER)
    assert bench.run(size=3) is None
    assert (bench.batches[0].energy_mj, bench.batches[0].energy_quality) == (None, "")


def test_without_a_meter_rows_come_at_once_and_there_is_no_log_of_energy():
    bench = Bench()
    assert bench.run() is None
    bench.side.beat()
    bench.side.read(None)
    bench.side.close()
    assert (len(bench.batches), bench.batches[0].energy_mj, bench.num_opened) == (1, None, 0)
    assert bench.side.said is None


def test_a_measured_batch_waits_for_the_meter_and_blank_ones_have_no_row():
    bench = Bench()
    for total_mj in (0, 3000, 6000, 9000):
        bench.read(total_mj)
        bench.pass_time(200)  # 15 W
    assert bench.run() is None
    bench.run(size=0)
    assert bench.batches == []
    bench.pass_time(100)
    bench.read(9000 + 20_000)  # in half a second, of which 7500 are idle
    (row,) = bench.batches
    assert row.energy_quality == "measured"
    assert row.energy_mj == pytest.approx(12_500 / 2)  # two batches as long
    bench.side.close()
    assert {row.meter for row in bench.seconds} == {"nvml"}


def test_a_meter_goes_before_a_table_and_no_row_is_lost_by_the_change():
    bench = Bench(POWER)
    frames = (QueuedFrame(0, 0.0, 1e6), QueuedFrame(1, 0.0, 1e6))
    batch = Batch(frames, "large", 1.0, 1.0, 0.0, 0.0, 4, 0, 1)
    number = bench.side.began(batch, bench.clock.now_ms())
    bench.read(0)
    assert bench.side.ended(number, batch.record("gpu0", 1.0), bench.clock.now_ms()) is None
    assert [row.energy_mj for row in bench.batches] == [None]


def test_a_governor_that_is_gone_leaves_rows_without_energy(caplog):
    bench = Bench()
    for total_mj in (0, 3000, 6000, 9000):
        bench.read(total_mj)
        bench.pass_time(200)
    bench.run()
    bench.side.read(None)
    assert [row.energy_mj for row in bench.batches] == [None]
    assert bench.side.said is None
    for _ in range(3):
        bench.pass_time(100)
        bench.read(0, Quality.UNAVAILABLE, "nvml: the counter stands still")
    assert [one.getMessage() for one in caplog.records] == [
        "gpu0: energy: nvml: the counter stands still"
    ]
    bench.side.close()
    assert bench.seconds[-1].quality == "unavailable"
