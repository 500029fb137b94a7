"""Goodput when more frames come than the server can run: open loop, one CPU executor.

Cameras of 10 frame/s with 20 kB frames of 320x320 px under an SLO of 150 ms, 20 to 160 frame/s in all (to 240 in (a)). Frames are sent
at their scheduled times whatever comes back; latency counts from the scheduled time; a frame without an answer
2 s after the last send is missed, and so is every frame of a camera that was refused.

    (a) one fixed variant (the accurate one nearest to 10 ms a frame): where is the knee, and what is left of the goodput
        at 1.5 and 2 times of it?
    (b) the whole zoo: the server may choose.

    python benchmarks/overload.py [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

from load import run_cameras, scene_jpeg

from moonjelly.server.running_server import RunningServer

FPS, SLO_MS, SIDE_PX, JPEG_BYTES = 10.0, 150.0, 320, 20_000
OFFERED_FPS = (20, 40, 60, 80, 100, 120, 140, 160)
BEYOND_FPS = (180, 240)  # for the fixed variant, to see 1.5 and 2 times its knee
IN_TIME_AT_KNEE = 0.95  # the knee: the highest offered rate of which this share is in time


def measure(address: str, offered_fps: int, seconds: float, jpeg: bytes) -> dict[str, object]:
    """One load; returns its row."""
    cameras = asyncio.run(
        run_cameras(address, round(offered_fps / FPS), FPS, SLO_MS, jpeg, SIDE_PX, seconds)
    )
    offered = sum(camera.offered for camera in cameras)
    latencies = sorted(ms for camera in cameras for ms in camera.latencies_ms)
    in_time = sum(ms <= SLO_MS for ms in latencies)
    return {
        "offered_fps": offered / seconds,
        "goodput_fps": in_time / seconds,
        "in_time_ratio": in_time / offered,
        "admitted": sum(camera.is_admitted for camera in cameras),
        "cameras": len(cameras),
        "p50_ms": latencies[len(latencies) // 2] if latencies else None,
        "p99_ms": latencies[int(len(latencies) * 0.99)] if latencies else None,
        "variants": dict(sum((Counter(camera.variants) for camera in cameras), Counter())),
        "drops": dict(sum((Counter(camera.drops) for camera in cameras), Counter())),
    }


def main() -> int:
    """Prints both tables, and writes them as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--zoo", default="traffic")
    parser.add_argument("--variant", default="traffic-n-288", help="the fixed variant of (a)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/overload.json"))
    arguments = parser.parse_args()
    jpeg = scene_jpeg(SIDE_PX, JPEG_BYTES)
    print(f"frames of {len(jpeg)} bytes")
    results = {}
    for name, options, loads_fps in (
        ("fixed", ["--variants", arguments.variant], OFFERED_FPS + BEYOND_FPS),
        ("zoo", [], OFFERED_FPS),
    ):
        print(f"\n{name}: {arguments.variant if options else 'every variant'}")
        print("offered  goodput  in time  admitted     p50 ms   p99 ms  drops, answers by variant")
        rows = []
        with RunningServer(["--log-level", "warning", "--zoo", arguments.zoo, *options]) as server:
            for offered_fps in loads_fps:
                row = measure(server.address, offered_fps, arguments.seconds, jpeg)
                rows.append(row)
                p50, p99 = row["p50_ms"] or 0.0, row["p99_ms"] or 0.0
                print(
                    f"{row['offered_fps']:7.0f}  {row['goodput_fps']:7.1f}  {row['in_time_ratio']:7.1%}"
                    f"  {row['admitted']:3d} of {row['cameras']:2d}  {p50:8.1f} {p99:8.1f}"
                    f"  {row['drops'] or ''} {row['variants']}",
                    flush=True,
                )
        results[name] = rows
        peak = max(row["goodput_fps"] for row in rows)
        knee = max(
            (row["offered_fps"] for row in rows if row["in_time_ratio"] >= IN_TIME_AT_KNEE),
            default=None,
        )
        print(f"peak goodput {peak:.1f} frame/s; knee {knee} frame/s")
        for factor in (1.5, 2.0):
            beyond = [row for row in rows if knee and row["offered_fps"] >= factor * knee]
            if beyond:
                print(f"at {factor} x the knee: {beyond[0]['goodput_fps'] / peak:.1%} of the peak")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
