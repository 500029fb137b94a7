"""The demo beside a neighbour that wants the executor's core for half of the time.

Versions take turns; each prints a row for each run: frames in time, mAP@.5, share of its time for which the executor
was busy, and share of frames that were smaller than the zoo's largest because the link was too slow for those (within
the time to the next frame, or within the SLO).

    python benchmarks/demo_neighbour.py [--runs 3] [--seconds 40] [--no-neighbour] [--against PYTHON]

PYTHON is the interpreter of another version's environment. Needs `stress-ng`. Each version makes its own profile first,
without the neighbour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from moonjelly.core.records import BatchRecord
from moonjelly.devices.discovery import find_devices
from moonjelly.files.csv_log import read_records
from moonjelly.files.process import leave_at_sigterm
from moonjelly.reporting.run_logs import RunLogs, read_run_logs
from moonjelly.zoos import open_zoo

HALF_DUTY = ("stress-ng", "--quiet", "--cpu", "1", "--cpu-load", "50")
ROW = "{:>10} {:>4} {:>8} {:>8} {:>7} {:>6} {:>8} {:>8} {:>6}"


@contextlib.contextmanager
def neighbour(cores: Sequence[int]) -> Iterator[None]:
    """Keeps one of the cores busy for half of the time."""
    process = subprocess.Popen(["taskset", "-c", str(cores[0]), *HALF_DUTY])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def busy_ratio(folder: Path) -> float:
    """Share of the time between its first batch and its last for which an executor ran batches."""
    batches = [
        batch
        for path in folder.glob("server/batches-*.csv")
        for batch in read_records(path, BatchRecord)
    ]
    busy_ms = sum(batch.inference_ms for batch in batches)
    return busy_ms / (busy_ms + sum(batch.idle_ms for batch in batches[1:]))


def bound_ratio(logs: RunLogs) -> float:
    """Share of sent frames that were small because the link had no time for a large one."""
    largest = max(open_zoo("traffic").variants, key=lambda one: one.input_side_px)
    num_bound = num_sent = 0
    for stream in logs.streams:
        limit_s = min(1 / stream.fps, stream.slo_ms / 1000)
        for frame in logs.frames[stream.stream_id]:
            if frame.side_px is None:
                continue
            rates = [one for one in logs.links[stream.stream_id] if one.at_ms <= frame.captured_ms]
            num_sent += 1
            num_bound += (
                frame.side_px < largest.input_side_px
                and bool(rates)
                and rates[-1].rate_kbps * limit_s < largest.frame_kbits
            )
    return num_bound / num_sent


def main() -> int:
    """Prints a row for each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--no-neighbour", action="store_true", help="for comparison")
    parser.add_argument("--out", type=Path, help="keeps the folders of the runs")
    parser.add_argument("--against", metavar="PYTHON", help="the version before")
    arguments = parser.parse_args()
    leave_at_sigterm()
    cores = find_devices()[0].cores
    if not cores or shutil.which(HALF_DUTY[0]) is None:
        sys.exit(f"needs {HALF_DUTY[0]} and an executor with cores of its own")
    versions = {"this": sys.executable}
    if arguments.against:
        versions["before"] = arguments.against
    columns = ("fps", "in time", "mAP@.5", "busy", "bound", "mean px", "p99 ms", "load")
    print(ROW.format("version", *columns), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        for number in range(-1, arguments.runs):
            for name, python in versions.items():
                out = folder / f"{name}-{number}"
                is_first = number < 0  # makes the profile, and is not counted
                command = [python, "-m", "moonjelly", "demo", "--out", str(out)]
                command += ["--seconds", str(1 if is_first else arguments.seconds)]
                environ = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache-{name}"}
                is_alone = is_first or arguments.no_neighbour
                with contextlib.nullcontext() if is_alone else neighbour(cores):
                    done = subprocess.run(
                        command, env=environ, check=False, capture_output=True, text=True
                    )
                if not (out / "summary.json").exists():
                    sys.exit(done.stderr)
                if is_first:
                    continue
                total = json.loads((out / "summary.json").read_text())["total"]
                logs = read_run_logs(out)
                print(
                    ROW.format(
                        name,
                        f"{sum(stream.fps for stream in logs.streams):g}",
                        f"{total['in_time_ratio']:.1%}",
                        f"{total['map50'] or 0:.3f}",
                        f"{busy_ratio(out):.0%}",
                        f"{bound_ratio(logs):.0%}",
                        f"{total['mean_side_px'] or 0:.0f}",
                        f"{total['p99_ms'] or 0:.0f}",
                        f"{os.getloadavg()[0]:.1f}",
                    ),
                    logs.info.settings.get("load", ""),
                    {place: dict(why) for place, why in total["dropped_by"].items()} or "",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
