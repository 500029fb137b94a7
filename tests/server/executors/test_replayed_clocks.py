"""A real executor process of a replayed board that has clocks; the test is its supervisor, endpoint and scheduler."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from toy_zoos import make_zoo

from moonjelly.core.records import BatchRecord, EnergyRecord
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.files.csv_log import read_records
from moonjelly.zoos import Fingerprint, LatencyFile, LatencyRow, Method, write_latency_file

NET = "net-128"
FRAME_MS = {300.0: 80.0, 600.0: 40.0, 1200.0: 20.0}
POWER_W = {300.0: 10.0, 600.0: 15.0, 1200.0: 25.0}
IDLE_W = (2.0, 8.0)
PERIOD_S = 0.15


@pytest.fixture
def board(tmp_path: Path, start, request):
    """The harness of a board whose clock takes 5 ms to change."""
    folder = tmp_path / "boards"
    make_zoo(folder, {"net": [128]})
    rows = tuple(
        LatencyRow(NET, size, size * p50_ms, size * p50_ms, 50, mhz, POWER_W[mhz])
        for mhz, p50_ms in FRAME_MS.items()
        for size in (1, 2, 3, 4)
    )
    found = Fingerprint("a board", 0, "none")
    file = LatencyFile(
        "boards", "gpu", Method.SYNTHETIC, found, "2026-11-28", "a test", rows, idle_w=IDLE_W
    )
    write_latency_file(folder / "latency-gpu.csv", file)
    (tmp_path / "out").mkdir()
    device = DeviceConfig("device0", "gpu", DeviceKind.REPLAYED)
    made = start(
        zoo=f"{folder}/",
        devices=(device,),
        replay_latency_ratio=1.0,
        replay_clock_ms=5.0,
        no_parking=request.param,
        out_dir=str(tmp_path / "out"),
    )
    made.await_ready()
    return made


def show(executor, num_frames: int = 3) -> None:
    """One frame after the other."""
    for _ in range(num_frames):
        executor.send(b"frame")
        executor.await_results(1)
        time.sleep(PERIOD_S)  # as a camera does


def batches(tmp_path: Path) -> list[BatchRecord]:
    return read_records(tmp_path / "out" / "batches-device0.csv", BatchRecord)


@pytest.mark.parametrize("board", [True], indirect=True)
def test_a_board_runs_at_the_clock_of_its_plan_with_that_clock_s_time_and_power(board, tmp_path):
    show(board, 1)
    for epoch, mhz in enumerate((600.0, 1200.0, 300.0), 2):
        board.plan(NET, 2, 1 / PERIOD_S, epoch, mhz)
        show(board)
    assert board.drain() == 0
    rows = batches(tmp_path)
    assert [row.clock_mhz for row in rows] == [1200.0, *[600.0] * 3, *[1200.0] * 3, *[300.0] * 3]
    for row in rows:
        assert row.expected_ms == FRAME_MS[row.clock_mhz]
        assert row.inference_ms >= FRAME_MS[row.clock_mhz]
        idle_w = {300.0: 2.0, 600.0: 4.0, 1200.0: 8.0}[row.clock_mhz]
        above_w = POWER_W[row.clock_mhz] - idle_w
        assert row.energy_mj == pytest.approx(above_w * row.inference_ms, rel=0.05)


@pytest.mark.parametrize("board", [False], indirect=True)
def test_a_board_without_streams_is_parked_and_comes_back(board, tmp_path):
    board.plan(NET, 2, 0.0, 2, 1200.0)
    time.sleep(3.5)  # rows of its energy are a second long
    show(board, 5)
    assert board.drain() == 0
    assert 1200.0 in {row.clock_mhz for row in batches(tmp_path)}
    rows = read_records(tmp_path / "out" / "energy-device0.csv", EnergyRecord)
    power_w = [
        (row.idle_mj + row.unplanned_mj) / (row.end_ms - row.begin_ms)
        for row in rows
        if row.above_mj == 0
    ]
    assert min(power_w) == pytest.approx(IDLE_W[0], rel=0.01)


@pytest.mark.parametrize("board", [True], indirect=True)
def test_a_plan_with_a_clock_that_the_board_lacks_changes_nothing(board, tmp_path):
    board.plan(NET, 2, 5.0, 2, 600.0)
    board.plan(NET, 3, 5.0, 3, 999.0)
    show(board, 2)
    assert board.drain() == 0
    assert [(row.clock_mhz, row.plan_batch_size) for row in batches(tmp_path)] == [(600.0, 2)] * 2
