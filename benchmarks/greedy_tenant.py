"""Whether a tenant that keeps to its share notices one that sends ten times as much, on a live server.

    python benchmarks/greedy_tenant.py [--seconds 15] [--rounds 3]

A server with one replayed device is told to let cameras send far more than they declared. A modest tenant has one camera, and a floor of
its rate, so that plans never leave it out; a greedy one has five, which
declare half of what the device carries and send ten times that. The modest camera runs alone, beside them under `--batcher deadline`, and beside them under
`--batcher fair`, in turns: its frames in time, and those that the greedy tenant was answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from load import CameraCount, frame_message, run_camera, scene_jpeg

from moonjelly.server.access.tenants import hash_of
from moonjelly.server.running_server import RunningServer

SIDE_PX, JPEG_BYTES = 128, 3000
MODEST_FPS, SLO_MS = 6.0, 500.0
NUM_GREEDY, GREEDY_FPS, GREED_RATIO = 5, 9.0, 10.0
CASES = (("fair", False), ("deadline", True), ("fair", True))


async def cameras(address: str, seconds: float, *, is_greedy: bool) -> list[CameraCount]:
    """Runs the modest camera, and the greedy ones beside it; the modest one comes first."""
    jpeg = scene_jpeg(SIDE_PX, JPEG_BYTES)

    def camera(tenant: str, number: int, fps: float, greed_ratio: float) -> object:
        return run_camera(
            address,
            f"cam-{number}",
            fps,
            SLO_MS,
            frame_message(jpeg, SIDE_PX),
            seconds,
            number / (NUM_GREEDY + 1),
            token=tenant,
            greed_ratio=greed_ratio,
        )

    greedy = range(NUM_GREEDY if is_greedy else 0)
    return await asyncio.gather(
        camera("modest", NUM_GREEDY, MODEST_FPS, 1.0),
        *(camera("greedy", number, GREEDY_FPS, GREED_RATIO) for number in greedy),
    )


def serve(batcher: str, seconds: float, *, is_greedy: bool) -> dict[str, object]:
    """One run on a server of its own."""
    with tempfile.TemporaryDirectory() as name:
        tenants = Path(name) / "tenants.yaml"
        tenants.write_text(
            f"tenants:\n  - {{name: modest, token_sha256: {hash_of('modest')}, min_fps: {MODEST_FPS}}}\n"
            f"  - {{name: greedy, token_sha256: {hash_of('greedy')}}}\n"
        )
        options = f"--zoo replayed-gpu --devices replayed:gpu --variants yolov4-608 --max-batch-size 2 --batcher {batcher}"
        options += (
            f" --rate-tolerance-ratio {3 * GREED_RATIO} --log-level warning --tenants {tenants}"
        )
        with RunningServer(options.split(), log_path=Path(name) / "server.log") as server:
            modest, *greedy = asyncio.run(cameras(server.address, seconds, is_greedy=is_greedy))
    return {
        "batcher": batcher,
        "greedy sent": sum(one.offered for one in greedy),
        "greedy answered": sum(len(one.answered_ms) for one in greedy),
        "modest sent": modest.offered,
        "modest in time": sum(ms <= SLO_MS for ms in modest.latencies_ms),
        "modest dropped": modest.drops,
    }


def main() -> None:
    """Measures, and prints a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for _ in range(arguments.rounds):
        for batcher, is_greedy in CASES:
            print(json.dumps(serve(batcher, arguments.seconds, is_greedy=is_greedy)), flush=True)


if __name__ == "__main__":
    main()
