"""What a server takes when nobody asks (processor), and whether its memory stays steady under load.

    python benchmarks/footprint.py [--idle-seconds 30] [--load-seconds 600]

Idle: processor time of all the server's processes, over the time. Load: cameras of 10 frame/s on the default zoo, real
detections; resident memory of each process every 5 s, and the slope of a line through it after the first tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from load import run_cameras, scene_jpeg

from moonjelly.server.running_server import RunningServer

SIDE_PX, JPEG_BYTES, FPS, SLO_MS = 320, 20_000, 10.0, 250.0
SAMPLE_S = 5.0


def role(process: psutil.Process) -> str:
    """The role of one of the server's processes, from its command line."""
    words = process.cmdline()
    return "-".join(words[4:6]) if "moonjelly.server.child" in words else "supervisor"


def processor_seconds(processes: list[psutil.Process]) -> dict[str, float]:
    """Processor time so far, by role."""
    return {role(p): p.cpu_times().user + p.cpu_times().system for p in processes}


async def load_and_sample(
    server: RunningServer, num_cameras: int, seconds: float, processes: list[psutil.Process]
) -> tuple[dict[str, list[int]], float]:
    """Streams and samples the resident memory; returns it by role (bytes), and the share in time."""
    jpeg = scene_jpeg(SIDE_PX, JPEG_BYTES)
    cameras = asyncio.create_task(
        run_cameras(server.address, num_cameras, FPS, SLO_MS, jpeg, SIDE_PX, seconds)
    )
    samples: dict[str, list[int]] = {role(process): [] for process in processes}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for process in processes:
            samples[role(process)].append(process.memory_info().rss)
        await asyncio.sleep(SAMPLE_S)
    counts = await cameras
    offered = sum(count.offered for count in counts)
    return samples, sum(ms <= SLO_MS for count in counts for ms in count.latencies_ms) / offered


def main() -> int:
    """Prints a table, and writes it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--idle-seconds", type=float, default=30.0)
    parser.add_argument("--load-seconds", type=float, default=600.0)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/footprint.json"))
    arguments = parser.parse_args()
    results: dict[str, object] = {}
    with RunningServer(["--log-level", "warning", "--zoo", "traffic"]) as server:
        parent = psutil.Process(server.pid)
        processes = [parent, *parent.children(recursive=True)]
        time.sleep(2)
        before, start = processor_seconds(processes), time.monotonic()
        time.sleep(arguments.idle_seconds)
        seconds = time.monotonic() - start
        after = processor_seconds(processes)
        idle = {name: (after[name] - before[name]) / seconds for name in after}
        results["idle_core_ratio"] = idle
        print(f"idle for {seconds:.0f} s: {sum(idle.values()):.2%} of a core in all")
        for name, ratio in idle.items():
            print(f"  {name:12s} {ratio:.2%}")
        samples, in_time = asyncio.run(
            load_and_sample(server, arguments.cameras, arguments.load_seconds, processes)
        )
        print(
            f"{arguments.cameras} cameras for {arguments.load_seconds:.0f} s: {in_time:.1%} in time"
        )
        results["memory"] = {}
        for name, rss_bytes in samples.items():
            steady = np.array(rss_bytes[len(rss_bytes) // 10 :]) / 2**20
            minutes = np.arange(len(steady)) * SAMPLE_S / 60
            slope = float(np.polyfit(minutes, steady, 1)[0]) if len(steady) > 2 else 0.0
            print(
                f"  {name:12s} {steady[0]:7.1f} MiB at first, {steady[-1]:7.1f} at last,"
                f" {slope:+.3f} MiB per minute"
            )
            results["memory"][name] = {
                "rss_mib": [round(v, 2) for v in np.array(rss_bytes) / 2**20],
                "slope_mib_per_minute": slope,
            }
        results["in_time_ratio"] = in_time
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
