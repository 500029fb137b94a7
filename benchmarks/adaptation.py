"""Compares adaptation policies in the simulator: misses and accuracy over links that change by the second.

`python benchmarks/adaptation.py` runs each policy, with the budget rule that belongs to it, on the traces of
network_shaping/ (and those of --traces FOLDER), eight cameras on two replayed GPUs, and writes
benchmarks/results/adaptation.csv. Then it lets the link of a single camera fall from 20 to 5 Mbit/s, and die for
5 s: adaptation_events.csv. Simulated time: the load of the machine does not matter.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean

from rich.console import Console
from rich.table import Table

from moonjelly.adapting.policies.registry import budget_rule
from moonjelly.core.device import Device
from moonjelly.core.records import FrameRecord
from moonjelly.core.verdict import Verdict
from moonjelly.links.traces import LinkTrace, read_trace
from moonjelly.reporting.profile_accuracy import ProfileAccuracy
from moonjelly.simulation.scenario import Scenario, ServerModel, SimulatedStream
from moonjelly.simulation.simulation import Observers, Simulation
from moonjelly.zoos import find_profile, load_latency_profile, open_zoo

ROOT = Path(__file__).resolve().parent.parent
ZOO, DEVICE_TYPE, NUM_DEVICES = "replayed-gpu", "gpu", 2
POLICIES = (
    "ladder",
    "best",
    "aggressive",
    "server-independent",
    "fixed:352",
    "slo-split",
    "none",
)
COLUMNS = (
    *("trace", "clients", "slo_ms", "fps", "policy", "seed"),
    *("captured", "in_time", "late", "dropped", "profile_map", "in_time_map"),
)


EVENT_COLUMNS = (
    *("event", "slo_ms", "fps", "policy", "seed"),
    *("missed_frames", "first_fresh_answer_ms", "last_miss_ms"),
)
EVENT_S = 20.5  # when the link changes
EVENTS = {
    "step 20 to 5 Mbit/s": (EVENT_S, [20.0] * 205 + [5.0] * 195),
    "5 s at zero": (EVENT_S + 5.0, [20.0] * 205 + [0.0] * 50 + [20.0] * 145),
}
"""By name: from when misses count, and a link's rates, for 0.1 s each."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run: eight cameras or so, alike but for their places in the trace."""

    trace: str
    link: LinkTrace
    num_clients: int
    slo_ms: float
    fps: float
    policy: str
    seed: int
    seconds: float
    has_own_places: bool = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the matrix, and prints both axes side by side."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--traces", type=Path, metavar="FOLDER", help="further *_mbps.txt files")
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--only-traces", nargs="+", help="names of traces; all, if not given")
    parser.add_argument("--slo-ms", nargs="+", type=float, default=[75.0, 100.0, 150.0])
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-events", action="store_true", help="leave out falls and outages")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results" / "adaptation.csv"
    )
    options = parser.parse_args(arguments)
    traces = {
        name: trace
        for name, trace in _traces(options.traces).items()
        if not options.only_traces or name in options.only_traces
    }
    cells = [
        Cell(name, trace, options.clients, slo_ms, options.fps, policy, seed, options.seconds)
        for name, trace in traces.items()
        for slo_ms in options.slo_ms
        for policy in options.policies
        for seed in range(options.seeds)
    ]
    with ProcessPoolExecutor(options.workers) as workers:
        rows = list(workers.map(run_cell, cells))
    command = f"python benchmarks/adaptation.py {' '.join(arguments or sys.argv[1:])}".strip()
    _write(options.out, COLUMNS, rows, command)
    _print(rows, options.policies)
    if not options.no_events:
        _run_events(options, command)
    return 0


def _run_events(options: argparse.Namespace, command: str) -> None:
    """Runs the single camera, and writes and prints what became of it."""
    cells = [
        Cell(name, LinkTrace(tuple(mbps), 0.1), 1, slo_ms, options.fps, policy, seed, 40.0, False)
        for name, (_, mbps) in EVENTS.items()
        for slo_ms in options.slo_ms
        for policy in options.policies
        for seed in range(options.seeds)
    ]
    with ProcessPoolExecutor(options.workers) as workers:
        rows = list(workers.map(run_event, cells))
    _write(options.out.with_name(f"{options.out.stem}_events.csv"), EVENT_COLUMNS, rows, command)
    found: dict[tuple[object, ...], list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        found[row["event"], row["slo_ms"], row["policy"]].append(row)
    table = Table(
        "event",
        "SLO ms",
        *options.policies,
        title="most frames missed, longest wait for an answer (ms)",
    )
    for event, slo_ms in dict.fromkeys(key[:2] for key in found):
        table.add_row(
            str(event),
            f"{slo_ms:g}",
            *(_event_text(found[event, slo_ms, policy]) for policy in options.policies),
        )
    Console(width=200).print(table)


def run_event(cell: Cell) -> dict[str, object]:
    """Simulates a run whose link changes once, and counts the misses from then on.

    A fresh answer is one in time, to a frame that was captured after the change (or the outage's end).
    """
    start_ms = 1000 * EVENTS[cell.trace][0]
    lead_ms = 1000 / cell.fps  # a frame that was under way when the link changed
    frames = [frame for frame in run_frames(cell) if frame.captured_ms > start_ms - lead_ms]
    missed = [frame for frame in frames if frame.verdict != Verdict.IN_TIME]
    fresh = [
        frame.answered_ms or 0.0
        for frame in frames
        if frame.verdict == Verdict.IN_TIME and frame.captured_ms >= start_ms
    ]
    return {
        "event": cell.trace,
        "slo_ms": cell.slo_ms,
        "fps": cell.fps,
        "policy": cell.policy,
        "seed": cell.seed,
        "missed_frames": len(missed),
        "first_fresh_answer_ms": round(min(fresh) - start_ms) if fresh else "",
        "last_miss_ms": round(
            max((one.captured_ms for one in missed), default=start_ms) - start_ms
        ),
    }


def _event_text(rows: Sequence[dict[str, object]]) -> str:
    missed = max(int(str(row["missed_frames"])) for row in rows)
    waits = [str(row["first_fresh_answer_ms"]) for row in rows]
    return f"{missed}, {max(map(int, waits)) if all(waits) else 'none'}"


def _traces(folder: Path | None) -> dict[str, LinkTrace]:
    paths = [*sorted((ROOT / "network_shaping").glob("*_mbps.txt"))]
    paths += sorted(folder.glob("*_mbps.txt")) if folder else []
    return {path.name.removesuffix("_mbps.txt"): read_trace(path) for path in paths}


def scenario_of(cell: Cell) -> Scenario:
    """The run as the simulator takes it; each camera starts at a place of its own in the trace."""
    variants = open_zoo(ZOO).variants
    path = find_profile(open_zoo(ZOO), DEVICE_TYPE, None)
    assert path is not None, "the repository ships it"
    random = Random(cell.seed)
    places = [
        random.randrange(len(cell.link.values_mbps)) if cell.has_own_places else 0
        for _ in range(cell.num_clients)
    ]
    return Scenario(
        seconds=cell.seconds,
        zoo=ZOO,
        variants=variants,
        devices=tuple(Device(f"gpu-{k}", DEVICE_TYPE) for k in range(NUM_DEVICES)),
        profiles={DEVICE_TYPE: load_latency_profile(path, variants)},
        streams=tuple(
            SimulatedStream(
                stream_id=f"camera-{number}",
                fps=cell.fps,
                slo_ms=cell.slo_ms,
                link=dataclasses.replace(cell.link, offset=place),
                policy=cell.policy,
                frame_size_ratio=0.9,  # the zoo's sizes are a high percentile
                frame_size_spread=0.06,
            )
            for number, place in enumerate(places)
        ),
        server=ServerModel(budget_rule=budget_rule(cell.policy)),
        seed=cell.seed,
    )


def run_frames(cell: Cell) -> list[FrameRecord]:
    """Simulates a run, and returns the rows of its frame log."""
    rows: list[FrameRecord] = []
    Simulation(scenario_of(cell), Observers(on_frame=rows.append)).run_until(float("inf"))
    return rows


def run_cell(cell: Cell) -> dict[str, object]:
    """Simulates a run, and sums it up."""
    frames = run_frames(cell)
    verdicts = Counter(frame.verdict for frame in frames)
    accuracy = ProfileAccuracy(open_zoo(ZOO).variants)
    values = [accuracy.of(frame) for frame in frames if frame.verdict == Verdict.IN_TIME]
    return {
        "trace": cell.trace,
        "clients": cell.num_clients,
        "slo_ms": cell.slo_ms,
        "fps": cell.fps,
        "policy": cell.policy,
        "seed": cell.seed,
        "captured": len(frames),
        "in_time": verdicts[Verdict.IN_TIME],
        "late": verdicts[Verdict.LATE],
        "dropped": verdicts[Verdict.DROPPED],
        "profile_map": round(sum(values) / max(1, len(frames)), 5),
        "in_time_map": round(fmean(values or [0.0]), 5),
    }


def _write(
    path: Path, columns: Sequence[str], rows: Sequence[dict[str, object]], command: str
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# command: {command}\n")
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _print(rows: Sequence[dict[str, object]], policies: Sequence[str]) -> None:
    """A line for each trace and SLO, and in each: missed %, accuracy over all, over those in time."""
    found: dict[tuple[object, ...], list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        found[row["trace"], row["slo_ms"], row["policy"]].append(row)
    table = Table("trace", "SLO ms", *policies, title="missed %  accuracy  (of those in time)")
    for trace, slo_ms in dict.fromkeys(key[:2] for key in found):
        table.add_row(
            str(trace),
            f"{slo_ms:g}",
            *(_cell_text(found[trace, slo_ms, policy]) for policy in policies),
        )
    Console(width=200).print(table)


def _cell_text(rows: Sequence[dict[str, object]]) -> str:
    captured = sum(int(str(row["captured"])) for row in rows)
    in_time = sum(int(str(row["in_time"])) for row in rows)
    accuracy, of_in_time = (
        fmean(float(str(row[name])) for row in rows) for name in ("profile_map", "in_time_map")
    )
    return f"{100 * (1 - in_time / captured):.2f}  {accuracy:.4f}  ({of_in_time:.4f})"


if __name__ == "__main__":
    sys.exit(main())
