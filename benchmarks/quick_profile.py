"""Whether a quick profile says what a server's executor takes a minute later.

    python benchmarks/quick_profile.py [--seconds 8]

Measures a quick profile of this machine, in a cache of its own. Half a minute later a server is started for each of several variants with a fixed
batch size, and cameras send it more than it carries, so that batches follow each other. Its log of batches holds what each took and what the profile
expected: the medians of both, by variant and batch size. Beside each row the profiler runs the same batches once more, at once after the server,
as the machine may have changed since the profile: that ratio says what differs for other reasons.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from load import run_cameras, scene_jpeg

from moonjelly.core.records import BatchRecord
from moonjelly.devices.discovery import find_devices
from moonjelly.files.csv_log import read_records
from moonjelly.profiler.batch_runner import BatchRunner, open_runner
from moonjelly.profiler.samples import Cell
from moonjelly.server.running_server import RunningServer
from moonjelly.zoos import open_zoo

CELLS = tuple(
    Cell(variant, size) for variant in ("traffic-n-128", "traffic-n-320") for size in (1, 4)
)
SLO_MS, FPS = 1000.0, 5.0
WAIT_S = 30.0


def serve(
    cell: Cell, side_px: int, expected_ms: float, seconds: float, others: set[int]
) -> list[BatchRecord]:
    """Overloads a server by a fifth, from other cores than its device's; returns its whole batches of that size, the first second's left out."""
    with tempfile.TemporaryDirectory() as name:
        options = [
            "--zoo",
            "traffic",
            "--variants",
            cell.variant,
            "--batcher",
            f"fixed:{cell.batch_size}",
        ]
        options += ["--out-dir", name, "--log-level", "warning"]
        carried_fps = 1000 * cell.batch_size / expected_ms
        with RunningServer(options, log_path=Path(name) / "server.log") as server:
            jpeg = scene_jpeg(side_px, side_px * side_px // 8)
            num_cameras = max(1, round(1.2 * carried_fps / FPS))
            os.sched_setaffinity(0, others)
            asyncio.run(
                run_cameras(server.address, num_cameras, FPS, SLO_MS, jpeg, side_px, seconds)
            )
        (path,) = Path(name).glob("batches-*.csv")
        rows = list(read_records(path, BatchRecord))
    return [
        row
        for row in rows
        if row.batch_size == cell.batch_size and row.at_ms > rows[0].at_ms + 1000
    ]


def again(runner: BatchRunner, cell: Cell) -> float:
    """What the profiler measures now."""
    return median(runner.run(cell, 21)[1:])


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each server's load")
    arguments = parser.parse_args()
    (device, *_) = find_devices()
    zoo = open_zoo("traffic")
    variants = zoo.variants
    sides_px = {one.name: one.input_side_px for one in variants}
    cores = os.sched_getaffinity(0)
    others = cores - set(device.cores) or cores
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        subprocess.run(
            [sys.executable, "-m", "moonjelly", "profile", "--quick", "--zoo", "traffic"],
            check=True,
        )
        time.sleep(WAIT_S)
        wanted = [one for one in variants if any(cell.variant == one.name for cell in CELLS)]
        runner = open_runner(device, zoo, wanted, max(cell.batch_size for cell in CELLS))
        print("| variant | batch | profile, ms | server, ms | ratio | beside it, ratio |")
        print("| --- | --- | --- | --- | --- | --- |")
        for cell in CELLS:
            os.sched_setaffinity(0, device.cores or cores)
            carried_ms = again(runner, cell)
            os.sched_setaffinity(0, cores)
            rows = serve(cell, sides_px[cell.variant], carried_ms, arguments.seconds, others)
            os.sched_setaffinity(0, device.cores or cores)
            now_ms = median([carried_ms, again(runner, cell)])
            if len(rows) < 10:
                print(f"| {cell.variant} | {cell.batch_size} | | too few batches | | |")
                continue
            took_ms, profile_ms = median(row.inference_ms for row in rows), rows[0].expected_ms
            print(
                f"| {cell.variant} | {cell.batch_size} | {profile_ms:.1f} | {took_ms:.1f} | "
                f"{profile_ms / took_ms:.2f} | {now_ms / took_ms:.2f} |",
                flush=True,
            )
    print(f"{datetime.now(UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
