"""How much of its throughput a device can be planned to carry: misses by load, batch size and spread.

One device, our batcher, cameras of 10 frame/s at random phases whose frames are up to 10 ms late. Batches take log-normal times; a plan allows
batches of one size, and every frame has the tightest budget that the plan admits: twice the p99 of such a batch. The load counts against what
batches of that size carry on the average, one after the other. Half of the cameras' budgets may be wider; here none is.

The mean of all batches is drawn anew for each run, a few percent about what the plan reckons with, as devices change between two plans.

    python benchmarks/utilisation.py [--seconds 120] [--seeds 8]
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from random import Random
from statistics import mean

from moonjelly.core.profile import BatchLatency
from moonjelly.scheduling.batching.deadline import DeadlineBatcher
from moonjelly.scheduling.batching.port import DeviceState, QueuedFrame

FPS, JITTER_MS, P99_SIGMAS = 10.0, 10.0, 2.3263
BATCH_SIZES = (1, 2, 4, 8)
FIXED_SHARES = (0.3, 0.7)  # of a batch's time, whatever its size
SPREADS = (1.05, 1.12, 1.3, 1.6, 2.0)  # p99 over median
LOADS = (0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 1.0, 1.05)
OFF_RATIO = 0.03  # standard deviation of how far off the plan's mean is


def latency_of(batch_size: int, fixed_share: float, spread: float) -> BatchLatency:
    """A device that takes 40 ms for a full batch at the median."""
    p50_ms = [
        40.0 * (fixed_share + (1 - fixed_share) * n / batch_size) for n in range(1, batch_size + 1)
    ]
    return BatchLatency.monotone(tuple(p50_ms), tuple(spread * ms for ms in p50_ms))


def arrivals(rate_fps: float, seconds: float, random: Random) -> list[float]:
    """When frames come (ms)."""
    times: list[float] = []
    num_cameras = max(1, round(rate_fps / FPS))
    period_ms = 1000 * num_cameras / rate_fps
    for _ in range(num_cameras):
        phase_ms = random.uniform(0, period_ms)
        times += [
            phase_ms + k * period_ms + random.uniform(0, JITTER_MS)
            for k in range(int(1000 * seconds / period_ms))
        ]
    return sorted(times)


def missed(latency: BatchLatency, load: float, seconds: float, random: Random) -> float:
    """Share of frames that were not in time."""
    size = latency.max_batch_size
    sigma = math.log(latency.p99_ms[0] / latency.p50_ms[0]) / P99_SIGMAS
    rate_fps = load * 1000 * size / (latency.p50_ms[-1] * math.exp(sigma * sigma / 2))
    off = math.exp(random.gauss(0, OFF_RATIO))
    times = arrivals(rate_fps, seconds, random)
    budget_ms = 2 * latency.p99_ms[-1]
    state = DeviceState(latency, size, rate_fps)
    batcher, queue = DeadlineBatcher(), {}
    now_ms, at, num_late, wait_ms = 0.0, 0, 0, math.inf
    while at < len(times) or queue:
        if not queue or wait_ms > now_ms:
            coming_ms = times[at] if at < len(times) else math.inf
            now_ms = max(now_ms, min(coming_ms, wait_ms if queue else math.inf))
        while at < len(times) and times[at] <= now_ms:
            queue[at] = QueuedFrame(at, times[at], times[at] + budget_ms)
            at += 1
        decision = batcher.decide(list(queue.values()), state, now_ms)
        for key, _ in decision.drop:
            del queue[key]
            num_late += 1
        wait_ms = math.inf
        if decision.run:
            took_ms = off * latency.p50_ms[len(decision.run) - 1] * math.exp(random.gauss(0, sigma))
            now_ms += took_ms
            num_late += sum(queue.pop(key).deadline_ms < now_ms for key in decision.run)
            wait_ms = now_ms
        elif decision.wait_until_ms is not None:
            wait_ms = max(decision.wait_until_ms, now_ms + 0.2)
    return num_late / len(times)


def main() -> int:
    """Prints the table, worst of the shapes; writes every cell as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/utilisation.json"))
    arguments = parser.parse_args()
    rows = []
    print("missed (%) at a load of   " + "  ".join(f"{load:5.2f}" for load in LOADS))
    for spread in SPREADS:
        for batch_size in BATCH_SIZES:
            cells = []
            for load in LOADS:
                shares = [
                    missed(
                        latency_of(batch_size, fixed, spread),
                        load,
                        arguments.seconds,
                        Random(f"{seed}"),
                    )
                    for fixed in FIXED_SHARES[: 1 if batch_size == 1 else None]
                    for seed in range(arguments.seeds)
                ]
                cells.append(mean(shares))
                rows.append(
                    {"spread": spread, "batch_size": batch_size, "load": load, "missed": cells[-1]}
                )
            print(
                f"p99/p50 {spread:4.2f}, batch {batch_size}      "
                + "  ".join(f"{100 * cell:5.2f}" for cell in cells),
                flush=True,
            )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
