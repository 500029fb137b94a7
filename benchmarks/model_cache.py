"""What it costs that a device holds five of sixteen networks: loads and accuracy, by what a change of plan is charged.

Simulated: two devices that are replayed, cameras whose links change every second, loads of 400 ms beside the batches. The same seeds
give the same figures on every machine.

    python benchmarks/model_cache.py [--seeds 5] [--seconds 120] [--load-ms 400]
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from statistics import mean

from moonjelly.core.device import Device
from moonjelly.core.records import FrameRecord, LoadRecord, PlanRecord
from moonjelly.files.shipped import shipped_folder
from moonjelly.links.traces import read_trace
from moonjelly.simulation.scenario import Scenario, ServerModel, SimulatedStream
from moonjelly.simulation.simulation import Observers, Simulation
from moonjelly.zoos import find_profile, load_latency_profile, open_zoo

ZOO, TYPE = "replayed-gpu", "gpu"
RATIOS = (0.0, 0.01, 0.05)
SLOTS = (1, 5, 16)
NUM_DEVICES, NUM_STREAMS = 2, 16
DEFAULT = ServerModel()


def scenario(seed: int, seconds: float, server: ServerModel) -> Scenario:
    """Sixteen cameras over LTE-like and WiFi-like links on two devices."""
    zoo = open_zoo(ZOO)
    path = find_profile(zoo, TYPE, None)
    assert path is not None
    traces = [
        shipped_folder("network_shaping") / f"{name}_mbps.txt" for name in ("lte_like", "wifi_like")
    ]
    return Scenario(
        seconds=seconds,
        seed=seed,
        zoo=zoo.name,
        variants=zoo.variants,
        devices=tuple(Device(f"gpu-{k}", TYPE) for k in range(NUM_DEVICES)),
        profiles={TYPE: load_latency_profile(path, zoo.variants)},
        streams=tuple(
            SimulatedStream(
                stream_id=f"cam-{k}",
                fps=(10.0, 15.0)[k // 2 % 2],
                slo_ms=(150.0, 200.0)[k // 4 % 2],
                link=read_trace(traces[k % 2], 40 * k + 7 * seed),
                wire_ms=5.0,
            )
            for k in range(NUM_STREAMS)
        ),
        server=server,
        qualities=zoo.qualities,
    )


def measure(what: Scenario) -> dict[str, float]:
    """Runs it; rates are of one device."""
    frames: list[FrameRecord] = []
    loads: list[LoadRecord] = []
    plans: list[PlanRecord] = []
    simulation = Simulation(what, Observers(frames.append, plans.extend, on_load=loads.append))
    simulation.run_until(math.inf)
    accuracy = {one.name: one.accuracy for one in what.variants}
    in_time = [one for one in frames if one.verdict == "in_time"]
    changes = 0
    for device in what.devices:
        variants = [one.variant for one in plans if one.device_id == device.device_id]
        changes += sum(one != other for one, other in pairwise(variants))
    causes = Counter(one.cause for one in loads)
    minutes = NUM_DEVICES * what.seconds / 60
    return {
        "changes": changes / minutes,
        "awaited": causes["plan"] / minutes,
        "loads": len(loads) / minutes,
        "in_time": 100 * len(in_time) / len(frames),
        "accuracy": sum(accuracy[one.variant] for one in in_time) / len(frames),
    }


def main() -> None:
    """Measures, and prints a table: means of all seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--load-ms", type=float, default=400.0)
    arguments = parser.parse_args()
    print(
        "| loaded | `switching_cost_ratio` | changes of variant | plans that waited for a load | loads "
        "| in time % | accuracy of captured frames |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for slots in SLOTS:
        for ratio in RATIOS:
            server = replace(
                DEFAULT,
                switching_cost_ratio=ratio,
                loaded_variants=slots,
                load_ms=arguments.load_ms,
            )
            runs = [
                measure(scenario(seed, arguments.seconds, server))
                for seed in range(arguments.seeds)
            ]
            found = {name: mean(run[name] for run in runs) for name in runs[0]}
            print(
                f"| {slots} | {ratio:g} | {found['changes']:.1f} | {found['awaited']:.1f} | {found['loads']:.1f} "
                f"| {found['in_time']:.2f} | {found['accuracy']:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
