"""Joules of a real server: replayed boards whose profile has power and idle power, a camera, and what the logs say then."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from toy_zoos import make_zoo

from moonjelly.client import ArraySource, connect
from moonjelly.core.records import BatchRecord, EnergyRecord, PlanRecord, ServerFrameRecord
from moonjelly.files.csv_log import read_records
from moonjelly.reporting.energy import TOTAL, read_energy
from moonjelly.server.running_server import RunningServer
from moonjelly.zoos import Fingerprint, LatencyFile, LatencyRow, Method, write_latency_file

IDLE_W = 5.0
CLOCKS = {600.0: (30.0, 10.0), 1200.0: (15.0, 25.0)}  # ms of one frame, and W
SIZES = range(1, 5)
PICTURE = np.full((128, 128, 3), 90, np.uint8)
NUM_FRAMES = 30

pytestmark = pytest.mark.slow


@pytest.fixture
def zoo(tmp_path: Path) -> str:
    """One variant, on a board of two clocks."""
    folder = tmp_path / "boards"
    make_zoo(folder, {"net": [128]})
    rows = tuple(
        LatencyRow("net-128", size, size * p50_ms, size * p50_ms, 50, mhz, power_w + size)
        for mhz, (p50_ms, power_w) in CLOCKS.items()
        for size in SIZES
    )
    fingerprint = Fingerprint("a board", 0, "none")
    file = LatencyFile(
        "boards",
        "board",
        Method.SYNTHETIC,
        fingerprint,
        "2026-11-27",
        "a test",
        rows,
        idle_w=(IDLE_W,),
    )
    write_latency_file(folder / "latency-board.csv", file)
    return f"{folder}/"


async def stream(address: str) -> int:
    """Shows a picture for a while; returns how many frames were answered."""
    source = ArraySource([PICTURE], num_frames=NUM_FRAMES)
    async with connect(address) as client:
        stream = client.stream(source, fps=10.0, slo_ms=400.0, stream_id="cam")
        async with stream:
            return sum([answer.is_in_time async for answer in stream])


def test_frames_batches_plans_and_seconds_have_joules_that_add_up(zoo, tmp_path):
    out = tmp_path / "out"
    options = ["--zoo", zoo, "--devices", "replayed:board", "replayed:board", "--out-dir", str(out)]
    with RunningServer(options, log_path=tmp_path / "log") as server:
        roles = [one.cmdline()[-5] for one in psutil.Process(server.pid).children()]
        num_in_time = asyncio.run(stream(server.address))
    assert sorted(roles) == ["endpoint", "executor", "executor", "scheduler"]
    assert num_in_time > 0
    rows = {n: read_records(out / f"energy-replayed{n}.csv", EnergyRecord) for n in (0, 1)}
    batches = [
        row for n in (0, 1) for row in read_records(out / f"batches-replayed{n}.csv", BatchRecord)
    ]
    for row in batches:
        watts = CLOCKS[1200.0][1] + row.batch_size - IDLE_W
        assert row.energy_mj == pytest.approx(watts * row.inference_ms, rel=0.05)
        assert row.energy_quality == "modelled"
    above_mj = sum(row.above_mj for some in rows.values() for row in some)
    assert above_mj == pytest.approx(sum(row.energy_mj for row in batches), rel=0.01)
    for some in rows.values():
        lasts_ms = some[-1].end_ms - some[0].begin_ms
        idle_mj = sum(row.idle_mj + row.unplanned_mj for row in some)
        assert idle_mj == pytest.approx(IDLE_W * lasts_ms, rel=0.01)
    frames = read_records(out / "server_frames.csv", ServerFrameRecord)
    answered = [row for row in frames if row.verdict == "answered"]
    assert sum(row.energy_mj for row in answered) == pytest.approx(above_mj, rel=0.01)
    totals_mj = [row.total_mj for row in read_records(out / "plans.csv", PlanRecord)]
    assert totals_mj[-1] > 0
    energy = read_energy(out)
    assert energy[TOTAL].total_j == pytest.approx(
        sum(energy[f"replayed{n}"].total_j for n in (0, 1)), abs=0.001
    )


@pytest.mark.parametrize(
    ("has_idle", "said", "reason"),
    [(True, "modelled", ""), (False, "unavailable", "its profile has no idle_w")],
)
def test_a_server_says_at_its_start_what_its_joules_are(zoo, tmp_path, has_idle, said, reason):
    profile = Path(zoo) / "latency-board.csv"
    if not has_idle:
        profile.write_text(profile.read_text().replace(f"# idle_w: {IDLE_W:g}\n", ""))
    command = [sys.executable, "-m", "moonjelly", "serve", "--no-logs", "--port", "0"]
    command += ["--zoo", zoo, "--devices", "replayed:board"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
        contextlib.ExitStack() as ending,
    ):
        ending.callback(server.terminate)
        assert server.stdout.readline().startswith("moonjelly: serving at ")
        assert server.stdout.readline() == f"moonjelly: energy: {said}\n"
    log = (tmp_path / "log").read_text()
    assert f"replayed0: energy is unavailable: {reason}" in log if reason else "energy" not in log


def test_a_board_runs_at_the_clock_of_plans_that_count_joules_and_takes_a_cap(zoo, tmp_path):
    taken_mj = {}
    for objective, options in (
        ("accuracy", []),
        ("joules", ["--price-per-joule", "0.1"]),
        ("capped", ["--power-cap-w", "12"]),
    ):
        out = tmp_path / objective
        every = ["--zoo", zoo, "--devices", "replayed:board", "--out-dir", str(out), *options]
        every += ["--objective", objective, "--replay-clock-ms", "10"]
        with RunningServer(every, log_path=tmp_path / f"{objective}.log") as server:
            assert asyncio.run(stream(server.address)) > 0.9 * NUM_FRAMES
        batches = read_records(out / "batches-replayed0.csv", BatchRecord)
        planned = {
            row.clock_mhz for row in read_records(out / "plans.csv", PlanRecord) if row.num_streams
        }
        taken_mj[objective] = sum(row.energy_mj for row in batches[1:])
        at_mhz = {row.clock_mhz for row in batches[1:]}
        assert planned == ({None} if objective == "accuracy" else {600.0})
        assert at_mhz == ({1200.0} if objective == "accuracy" else {600.0})
    assert taken_mj["joules"] < 0.7 * taken_mj["accuracy"]
