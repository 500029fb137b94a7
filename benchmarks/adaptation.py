"""Compares adaptation policies in the simulator: misses and accuracy over links that change by the second.

`python benchmarks/adaptation.py` runs each policy, with the budget rule that belongs to it, on the traces of
network_shaping/ (and those of --traces FOLDER), eight cameras on two replayed GPUs, and writes
benchmarks/results/adaptation.csv. Simulated time: the load of the machine does not matter.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean

from rich.console import Console
from rich.table import Table

from moonjelly.core.device import Device
from moonjelly.core.records import FrameRecord
from moonjelly.core.variant import Variant
from moonjelly.core.verdict import Verdict
from moonjelly.network.adaptation.registry import budget_rule
from moonjelly.network.traces import LinkTrace, read_trace
from moonjelly.profiles import find_profile, load_latency_profile, load_variants, variants_path
from moonjelly.simulation.scenario import Scenario, ServerModel, SimulatedStream
from moonjelly.simulation.simulation import Observers, Simulation

ROOT = Path(__file__).resolve().parent.parent
ZOO, DEVICE_TYPE = "replayed-gpu", "gpu"
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
    num_devices: int = 2
    link_offsets: bool = True


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
    _write(options.out, rows, command)
    _print(rows, options.policies)
    return 0


def _traces(folder: Path | None) -> dict[str, LinkTrace]:
    paths = [*sorted((ROOT / "network_shaping").glob("*_mbps.txt"))]
    paths += sorted(folder.glob("*_mbps.txt")) if folder else []
    return {path.name.removesuffix("_mbps.txt"): read_trace(path) for path in paths}


def scenario_of(cell: Cell) -> Scenario:
    """The run as the simulator takes it; each camera starts at a place of its own in the trace."""
    variants = load_variants(variants_path(ZOO))
    path = find_profile(ZOO, DEVICE_TYPE, None)
    assert path is not None, "the repository ships it"
    random = Random(cell.seed)  # noqa: S311 places are no secrets
    places = [
        random.randrange(len(cell.link.values_mbps)) if cell.link_offsets else 0
        for _ in range(cell.num_clients)
    ]
    return Scenario(
        seconds=cell.seconds,
        zoo=ZOO,
        variants=variants,
        devices=tuple(Device(f"gpu-{k}", DEVICE_TYPE) for k in range(cell.num_devices)),
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
    values = in_time_accuracies(frames, load_variants(variants_path(ZOO)))
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


def in_time_accuracies(frames: Iterable[FrameRecord], variants: Sequence[Variant]) -> list[float]:
    """Accuracy of each frame in time: of the variant that ran, or of the side that came if it is smaller."""
    by_side = {variant.input_side_px: variant.accuracy for variant in variants}
    by_name = {variant.name: variant.accuracy for variant in variants}
    return [
        min(by_name[frame.variant], by_side[frame.side_px or 0])
        for frame in frames
        if frame.verdict == Verdict.IN_TIME
    ]


def _write(path: Path, rows: Sequence[dict[str, object]], command: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# command: {command}\n")
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
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
