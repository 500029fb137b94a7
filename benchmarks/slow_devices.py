"""How soon plans follow devices that slow down, hurry, pulse, or are as good as lost: in the simulator.

Devices obey a script (`slowdowns` of a scenario), batch times are log-normal with the profile's median and p99. What is lost counts
against the same run without the script, from the same seed. The same seeds give the same figures on every machine.

    python benchmarks/slow_devices.py [--seeds 5]
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from itertools import groupby
from math import exp
from pathlib import Path
from random import Random
from statistics import mean

from moonjelly.core.device import Device
from moonjelly.core.profile import BatchLatency, LatencyProfile
from moonjelly.core.records import FrameRecord, PlanRecord, ServerFrameRecord
from moonjelly.devices.slowdown_script import SlowdownScript
from moonjelly.links.traces import constant_trace
from moonjelly.simulation.scenario import Scenario, SimulatedStream
from moonjelly.simulation.simulation import Observers, Simulation
from moonjelly.zoos import find_profile, load_latency_profile, load_variants, variants_path

ZOO, TYPE = "replayed-gpu", "gpu"
EDGE_RATIO = 3.0  # a smaller device than the zoo's
FPS, SLO_MS = 10.0, 250.0
CHANGE_S = 10.0  # when devices change; everything has settled by then


@dataclass(frozen=True)
class Load:
    """What runs: devices of one type, and cameras on good links."""

    num_devices: int
    num_streams: int
    seconds: float = 30.0


class Run:
    """A run to its end."""

    def __init__(self, load: Load, scripts: dict[int, str], seed: int) -> None:
        """Runs it; `scripts` by number of the device."""
        self.frames: list[FrameRecord] = []
        self.plans: list[list[PlanRecord]] = []
        self.served: list[ServerFrameRecord] = []
        variants = load_variants(variants_path(ZOO))
        path = find_profile(ZOO, TYPE, None)
        assert path is not None
        profile = load_latency_profile(path, variants)
        slow = {name: _scaled(one, EDGE_RATIO) for name, one in profile.by_variant.items()}
        scenario = Scenario(
            seconds=load.seconds,
            seed=seed,
            zoo=ZOO,
            variants=variants,
            devices=tuple(Device(f"gpu-{k}", TYPE) for k in range(load.num_devices)),
            profiles={TYPE: LatencyProfile(TYPE, slow)},
            slowdowns={f"gpu-{k}": SlowdownScript.parse(text) for k, text in scripts.items()},
            streams=tuple(
                SimulatedStream(
                    stream_id=f"cam-{k}",
                    fps=FPS,
                    slo_ms=SLO_MS,
                    link=constant_trace(60.0),
                    first_kbps=50_000.0,
                    wire_ms=2.0,
                )
                for k in range(load.num_streams)
            ),
        )
        observers = Observers(
            on_frame=self.frames.append,
            on_plan=lambda plan: self.plans.append(list(plan)),
            on_server_frame=self.served.append,
        )
        Simulation(scenario, observers).run_until(math.inf)

    def misses(self, from_s: float, to_s: float) -> int:
        """Frames captured meanwhile that were not answered in time."""
        return sum(
            row.verdict != "in_time" and from_s <= row.captured_ms / 1000 < to_s
            for row in self.frames
        )

    def share_in_time(
        self, from_s: float, to_s: float, without: frozenset[str] = frozenset()
    ) -> float:
        """Of the frames captured meanwhile."""
        rows = [
            row.verdict == "in_time"
            for row in self.frames
            if from_s <= row.captured_ms / 1000 < to_s and row.stream_id not in without
        ]
        return sum(rows) / len(rows)

    def changes_s(self, from_s: float, to_s: float) -> list[float]:
        """When plans changed meanwhile."""
        epochs = [next(rows) for _, rows in groupby(self._rows(), key=lambda row: row.epoch)]
        return [row.at_ms / 1000 for row in epochs if from_s <= row.at_ms / 1000 < to_s]

    def settled_s(self, from_s: float, to_s: float, slack_ratio: float = 0.02) -> float:
        """How long it took until plans were as accurate, and served as many, as at the end of that time."""
        rows = [row for row in self._rows() if from_s <= row.at_ms / 1000 < to_s]
        last = rows[-1].accuracy_per_request * rows[-1].served_ratio
        off = [
            row.at_ms / 1000
            for row in rows
            if abs(row.accuracy_per_request * row.served_ratio - last) > slack_ratio * last
        ]
        return (
            next((row.at_ms / 1000 for row in rows if row.at_ms / 1000 > max(off, default=0)), 0.0)
            - from_s
        )

    def worth(self, at_s: float) -> float:
        """Accuracy a request of the plan in force then."""
        row = [row for row in self._rows() if row.at_ms / 1000 <= at_s][-1]
        return row.accuracy_per_request

    def fps(self, device_id: str, at_s: float) -> float:
        """What a device was planned to carry then; 0 if it was not in the plan."""
        rows = [rows for rows in self.plans if rows[0].at_ms / 1000 <= at_s][-1]
        return next((row.arrival_fps for row in rows if row.device_id == device_id), 0.0)

    def carried(self, device_id: str, from_s: float, to_s: float) -> list[tuple[float, float]]:
        """What a device was planned to carry, plan by plan (s, frame/s)."""
        return [
            (rows[0].at_ms / 1000, self.fps(device_id, rows[0].at_ms / 1000))
            for rows in self.plans
            if from_s <= rows[0].at_ms / 1000 < to_s
        ]

    def _rows(self) -> list[PlanRecord]:
        return [rows[0] for rows in self.plans]


def _scaled(latency: BatchLatency, ratio: float) -> BatchLatency:
    return BatchLatency(
        tuple(ratio * ms for ms in latency.p50_ms), tuple(ratio * ms for ms in latency.p99_ms)
    )


def step_slower(seed: int) -> dict[str, float]:
    """One of three devices steps to 2x slower for 10 s."""
    load = Load(3, 36)
    run, quiet = Run(load, {0: f"{CHANGE_S}:2+20:1"}, seed), Run(load, {}, seed)
    end_s = CHANGE_S + 9.9
    lost = run.misses(CHANGE_S, end_s) - quiet.misses(CHANGE_S, end_s)
    return {
        "right plan after s": run.settled_s(CHANGE_S, end_s),
        "extra misses, s of its frames": lost / max(1.0, quiet.fps("gpu-0", CHANGE_S)),
        "plan changes": len(run.changes_s(CHANGE_S, end_s)),
    }


def step_slower_alone(seed: int) -> dict[str, float]:
    """The only device steps to 2x slower for 10 s."""
    load = Load(1, 8)
    run, quiet = Run(load, {0: f"{CHANGE_S}:2+20:1"}, seed), Run(load, {}, seed)
    end_s = CHANGE_S + 9.9
    lost = run.misses(CHANGE_S, end_s) - quiet.misses(CHANGE_S, end_s)
    return {
        "right plan after s": run.settled_s(CHANGE_S, end_s),
        "extra misses, s of its frames": lost / max(1.0, quiet.fps("gpu-0", CHANGE_S)),
        "plan changes": len(run.changes_s(CHANGE_S, end_s)),
    }


def step_faster(seed: int) -> dict[str, float]:
    """The only device steps to 1.5x faster than its profile."""
    run = Run(Load(1, 12), {0: f"{CHANGE_S}:{1 / 1.5:.4f}"}, seed)
    return {
        "used after s": run.settled_s(CHANGE_S, 29.9)
        if run.worth(29.9) > 1.005 * run.worth(CHANGE_S)
        else math.inf,
        "accuracy ratio": run.worth(29.9) / run.worth(CHANGE_S),
        "in time": run.share_in_time(CHANGE_S, 29.9),
    }


def pulses(seed: int) -> dict[str, float]:
    """The only device is 2x slower for 5 s in every 10 s."""
    script = "+".join(f"{10 * k}:2+{10 * k + 5}:1" for k in range(1, 7))
    run = Run(Load(1, 8, seconds=70), {0: script}, seed)
    quiet = Run(Load(1, 8, seconds=70), {}, seed)
    return {
        "plan changes a minute": len(run.changes_s(CHANGE_S, 69.9)),
        "in time": run.share_in_time(CHANGE_S, 69.9),
        "in time without": quiet.share_in_time(CHANGE_S, 69.9),
        "accuracy": mean(run.worth(at_s / 2) for at_s in range(20, 140)),
    }


def neighbour(seed: int) -> dict[str, float]:
    """The only device shares its core: batches take 0.97 to 2.5 times (p10 to p90) what the profile says, anew every 50 ms."""
    random = Random(seed)
    steps = [f"{k / 20}:{min(20.0, 1.55 * exp(random.gauss(0, 0.37))):.3f}" for k in range(1, 800)]
    run = Run(Load(1, 8, seconds=40), {0: "+".join(steps)}, seed)
    accuracy = mean(run.worth(at_s / 2) for at_s in range(20, 80))
    share = run.share_in_time(CHANGE_S, 39.9)
    return {
        "in time": share,
        "accuracy": accuracy,
        "accuracy x in time": accuracy * share,
        "plan changes a minute": 2 * len(run.changes_s(CHANGE_S, 39.9)),
    }


def undisturbed(seed: int) -> dict[str, float]:
    """Three devices that are as their profile says."""
    run = Run(Load(3, 36), {}, seed)
    return {
        "in time": run.share_in_time(CHANGE_S, 29.9),
        "accuracy": mean(run.worth(at_s / 2) for at_s in range(20, 60)),
        "plan changes a minute": 3 * len(run.changes_s(CHANGE_S, 29.9)),
    }


def _lost(load: Load, factor: float, seed: int) -> dict[str, float]:
    back_s = 20.0
    run = Run(load, {0: f"{CHANGE_S}:{factor}+{back_s}:1"}, seed)
    quiet = Run(load, {}, seed)
    carried = run.carried("gpu-0", CHANGE_S, back_s)
    out_s = max((at_s for at_s, fps in carried if fps), default=CHANGE_S) - CHANGE_S
    first_out = next((at_s for at_s, fps in carried if not fps), math.inf)
    back = next((at_s for at_s, fps in run.carried("gpu-0", back_s, 30) if fps), math.inf)
    its = {
        row.stream_id
        for row in run.served
        if row.device_id == "gpu-0" and CHANGE_S - 1 <= row.read_ms / 1000 < CHANGE_S
    }
    share = run.share_in_time(CHANGE_S, back_s, frozenset(its))
    return {
        "out of the plan after s": first_out - CHANGE_S,
        "last in the plan after s": out_s,
        "back after s": back - back_s,
        "others in time": share,
        "all in time": run.share_in_time(CHANGE_S, back_s),
        "quiet in time": quiet.share_in_time(CHANGE_S, back_s),
        "first second in time": run.share_in_time(CHANGE_S, CHANGE_S + 1),
        "after 2 s in time": run.share_in_time(CHANGE_S + 2, back_s),
    }


def one_of_four(seed: int) -> dict[str, float]:
    """One of four devices is 12x slower for 10 s."""
    return _lost(Load(4, 40), 12, seed)


def one_of_five(seed: int) -> dict[str, float]:
    """One of five devices runs at 20 % of its speed for 10 s; two idle ones would be enough."""
    return _lost(Load(5, 20), 5, seed)


ROWS = (
    step_slower,
    step_slower_alone,
    step_faster,
    pulses,
    one_of_four,
    one_of_five,
    neighbour,
    undisturbed,
)


def main() -> int:
    """Prints the table: mean and worst of all seeds; writes it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/slow_devices.json"))
    arguments = parser.parse_args()
    results = {}
    for row in ROWS:
        runs = [row(seed) for seed in range(arguments.seeds)]
        results[row.__name__] = runs
        print(row.__doc__)
        for name in runs[0]:
            values = [run[name] for run in runs]
            print(f"    {name:32} {mean(values):8.3f}   {min(values):.3f} .. {max(values):.3f}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
