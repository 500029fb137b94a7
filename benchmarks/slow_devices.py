"""How soon plans follow devices that slow down, hurry, pulse, or are as good as lost; and what of a device they use.

Devices are replayed and obey a script. In the simulator batch times are log-normal with the profile's median and p99, and the same seeds give
the same figures on every machine. With `--live` a real server runs on this machine, with replayed executors and cameras that send whatever
comes back. What is lost counts against the same run without the script, from the same seed.

    python benchmarks/slow_devices.py [--seeds 5] [--live] [--rows step_slower_alone,pulses]
"""

from __future__ import annotations

import argparse
import json
import math
from math import exp
from pathlib import Path
from random import Random
from statistics import mean

from slow_runs import Live, Load, Run, Twin, closed_loop_fps, replayed_fps

CHANGE_S = 10.0  # when devices change; everything has settled by then


def step_slower(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """One of three devices steps to 2x slower for 10 s."""
    load = Load(3, 36)
    run, quiet = run_of(load, {0: f"{CHANGE_S}:2+20:1"}, seed), run_of(load, {}, seed)
    end_s = CHANGE_S + 9.9
    lost = run.misses(CHANGE_S, end_s) - quiet.misses(CHANGE_S, end_s)
    return {
        "right plan after s": run.settled_s(CHANGE_S, end_s),
        "extra misses, s of its frames": lost / max(1.0, quiet.fps("gpu-0", CHANGE_S)),
        "plan changes": len(run.changes_s(CHANGE_S, end_s)),
    }


def step_slower_alone(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """The only device steps to 2x slower for 10 s."""
    load = Load(1, 8)
    run, quiet = run_of(load, {0: f"{CHANGE_S}:2+20:1"}, seed), run_of(load, {}, seed)
    end_s = CHANGE_S + 9.9
    lost = run.misses(CHANGE_S, end_s) - quiet.misses(CHANGE_S, end_s)
    return {
        "right plan after s": run.settled_s(CHANGE_S, end_s),
        "extra misses, s of its frames": lost / max(1.0, quiet.fps("gpu-0", CHANGE_S)),
        "plan changes": len(run.changes_s(CHANGE_S, end_s)),
    }


def step_faster(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """The only device steps to 1.5x faster than its profile."""
    run = run_of(Load(1, 12), {0: f"{CHANGE_S}:{1 / 1.5:.4f}"}, seed)
    return {
        "used after s": run.settled_s(CHANGE_S, 29.9)
        if run.worth(29.9) > 1.005 * run.worth(CHANGE_S)
        else math.inf,
        "accuracy ratio": run.worth(29.9) / run.worth(CHANGE_S),
        "in time": run.share_in_time(CHANGE_S, 29.9),
    }


def pulses(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """The only device is 2x slower for 5 s in every 10 s."""
    script = "+".join(f"{10 * k}:2+{10 * k + 5}:1" for k in range(1, 7))
    load = Load(1, 8, 70.0)
    run, quiet = run_of(load, {0: script}, seed), run_of(load, {}, seed)
    end_s = load.seconds - 0.1
    return {
        "plan changes a minute": 60 * len(run.changes_s(CHANGE_S, end_s)) / (end_s - CHANGE_S),
        "in time": run.share_in_time(CHANGE_S, end_s),
        "in time without": quiet.share_in_time(CHANGE_S, end_s),
        "accuracy": mean(run.worth(at_s / 2) for at_s in range(20, int(2 * end_s))),
    }


def neighbour(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """The only device shares its core: batches take 0.97 to 2.5 times (p10 to p90) what the profile says, anew every 50 ms."""
    random = Random(seed)
    steps = [f"{k / 20}:{min(20.0, 1.55 * exp(random.gauss(0, 0.37))):.3f}" for k in range(1, 800)]
    run = run_of(Load(1, 8, seconds=40), {0: "+".join(steps)}, seed)
    accuracy = mean(run.worth(at_s / 2) for at_s in range(20, 80))
    share = run.share_in_time(CHANGE_S, 39.9)
    return {
        "in time": share,
        "accuracy": accuracy,
        "accuracy x in time": accuracy * share,
        "plan changes a minute": 2 * len(run.changes_s(CHANGE_S, 39.9)),
    }


def undisturbed(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """Three devices that are as their profile says."""
    run = run_of(Load(3, 36), {}, seed)
    return {
        "in time": run.share_in_time(CHANGE_S, 29.9),
        "accuracy": mean(run.worth(at_s / 2) for at_s in range(20, 60)),
        "plan changes a minute": 3 * len(run.changes_s(CHANGE_S, 29.9)),
    }


def _lost(load: Load, factor: float, seed: int, run_of: type[Run]) -> dict[str, float]:
    back_s = 20.0
    run = run_of(load, {0: f"{CHANGE_S}:{factor}+{back_s}:1"}, seed)
    quiet = run_of(load, {}, seed)
    carried = run.carried("gpu-0", CHANGE_S, back_s)
    out_s = max((at_s for at_s, fps in carried if fps), default=CHANGE_S) - CHANGE_S
    first_out = next((at_s for at_s, fps in carried if not fps), math.inf)
    back = next((at_s for at_s, fps in run.carried("gpu-0", back_s, 30) if fps), math.inf)
    its = {
        stream_id
        for stream_id, device_id, read_s in run.served
        if device_id == "gpu-0" and CHANGE_S - 1 <= read_s < CHANGE_S
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


def one_of_four(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """One of four devices is 12x slower for 10 s."""
    return _lost(Load(4, 40), 12, seed, run_of)


def one_of_five(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """One of five devices runs at 20 % of its speed for 10 s; two idle ones would be enough."""
    return _lost(Load(5, 20), 5, seed, run_of)


MANY_FPS = 3.0  # of a camera, where there are many
SETTLED_S, END_S = 8.0, 24.9  # where nothing changes
FIXED, MEDIAN = "yolov4-320", "yolov4-384"  # the latter is the ninth of sixteen by accuracy


def one_variant(seed: int, run_of: type[Run] = Twin, p99_ratio: float = 0.0) -> dict[str, float]:
    """One fixed variant, twice as many frames as the device carries."""
    carried_fps = closed_loop_fps(FIXED, p99_ratio)
    load = Load(1, round(2 * carried_fps / MANY_FPS), 25.0, MANY_FPS, (FIXED,), p99_ratio)
    run = run_of(load, {}, seed)
    in_time_fps = run.goodput_fps(SETTLED_S, END_S)
    closed_fps = replayed_fps(FIXED) if run_of is Live else carried_fps
    return {
        "goodput over closed loop": in_time_fps / closed_fps,
        "admitted in time": in_time_fps / run.fps("gpu-0", SETTLED_S),
    }


def one_unsteady_variant(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """The same on a device whose profile has a p99 of 1.5 times the median."""
    return one_variant(seed, run_of, 1.5)


def whole_zoo(seed: int, run_of: type[Run] = Twin) -> dict[str, float]:
    """The whole zoo, twice as many frames as the device carries of the variant of median accuracy."""
    load = Load(1, round(2 * closed_loop_fps(MEDIAN) / MANY_FPS), 25.0, MANY_FPS)
    run = run_of(load, {}, seed)
    return {
        "in time": run.share_in_time(SETTLED_S, END_S),
        "accuracy": run.worth(END_S - 1),  # before the first camera leaves
    }


ROWS = (
    step_slower,
    step_slower_alone,
    step_faster,
    pulses,
    one_of_four,
    one_of_five,
    neighbour,
    one_variant,
    one_unsteady_variant,
    whole_zoo,
    undisturbed,
)
LIVE_ROWS = (step_slower_alone, step_faster, pulses, one_of_four, one_variant, whole_zoo)


def main() -> int:
    """Prints the table: mean and worst of all seeds; writes it as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, help="default: 5, or one run live")
    parser.add_argument("--live", action="store_true", help="on a server of this machine")
    parser.add_argument("--rows", metavar="NAME,...", help="only these")
    parser.add_argument(
        "--out", type=Path, help="default: benchmarks/results/slow_devices[_live].json"
    )
    arguments = parser.parse_args()
    run_of = Live if arguments.live else Twin
    name = "slow_devices_live" if arguments.live else "slow_devices"
    out = arguments.out or Path(f"benchmarks/results/{name}.json")
    results = json.loads(out.read_text()) if arguments.rows and out.exists() else {}
    for row in LIVE_ROWS if arguments.live else ROWS:
        if arguments.rows and row.__name__ not in arguments.rows.split(","):
            continue
        seeds = range(arguments.seeds or (1 if arguments.live else 5))
        runs = [row(seed, run_of) for seed in seeds]
        results[row.__name__] = runs
        print(row.__doc__)
        for key in runs[0]:
            values = [run[key] for run in runs]
            print(
                f"    {key:32} {mean(values):8.3f}   {min(values):.3f} .. {max(values):.3f}",
                flush=True,
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
