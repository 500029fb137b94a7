"""`moonjelly simulate timings`: how long planners take, on random instances."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from ...scheduling.planning.registry import planner
from ...scheduling.planning.rules import score
from .instances import Size, draw_instance
from .options import add_study_options, command_line, make_folder, planners_of, sizes_of
from .study import KEYS, StudyTable, run_parts

TABLE_FILE = "timings.csv"
COLUMNS = (*KEYS, "planner", "served_ratio", "accuracy", "plan_ms", "processor_ms")
MOST = 0.75  # of the clients, which the mapping must serve at first, for an instance to count


@dataclass(frozen=True, slots=True)
class _Part:
    size: Size
    number: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_study_options(
        parser, out="runs/timings", devices="2,4,8,16", clients="4,6,8,10", num_instances=20
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the study, or what is left of it; returns the exit status."""
    from ...reporting.figures import draw_folder  # noqa: PLC0415 - matplotlib takes a second

    sizes, names = sizes_of(arguments), planners_of(arguments)
    folder: Path = arguments.out
    make_folder(folder)
    notes = {
        "command": command_line(),
        "seed": str(arguments.seed),
        "planners": ",".join(names),
        "workers": str(arguments.workers),
    }
    table = StudyTable(folder / TABLE_FILE, COLUMNS, notes)
    done = table.parts()
    parts = [
        _Part(size, number)
        for number in range(arguments.instances)
        for size in sizes
        if (size.num_devices, size.clients_per_device, number) not in done
    ]
    run_parts(
        parts, partial(measure, seed=arguments.seed, planners=names), table, arguments.workers
    )
    sys.stdout.write("\n".join(summary_lines(table.rows, names)) + "\n")
    paths = draw_folder(folder, folder, ["timings"])
    sys.stdout.write(f"\n{folder / TABLE_FILE}\n" + "".join(f"{path}\n" for path in paths))
    return 0


def measure(part: _Part, *, seed: int, planners: Sequence[str]) -> list[dict[str, object]]:
    """Times each planner on one instance; a row for each."""
    drawn = draw_instance(part.size, seed, part.number, MOST)
    rows: list[dict[str, object]] = []
    for name in planners:
        chosen, random = planner(name), Random(seed)  # noqa: S311 - a seed fixes the plan
        start_s, start_processor_s = time.perf_counter(), time.process_time()
        plan = chosen.plan(drawn.problem, drawn.first, random)
        plan_ms = 1000 * (time.perf_counter() - start_s)
        processor_ms = 1000 * (time.process_time() - start_processor_s)
        result = score(drawn.problem, plan)
        rows.append(
            {
                "num_devices": part.size.num_devices,
                "clients_per_device": part.size.clients_per_device,
                "instance": part.number,
                "planner": name,
                "served_ratio": result.served_ratio,
                "accuracy": result.accuracy_per_request,
                "plan_ms": plan_ms,
                "processor_ms": processor_ms,
            }
        )
    return rows


def summary_lines(rows: Sequence[Mapping[str, str]], planners: Sequence[str]) -> list[str]:
    """A line for each size and planner: least, mean, median and most processor time."""
    lines = []
    for size in sorted({(int(row["num_devices"]), int(row["clients_per_device"])) for row in rows}):
        for name in planners:
            times = [
                float(row["processor_ms"])
                for row in rows
                if row["planner"] == name and (int(row[KEYS[0]]), int(row[KEYS[1]])) == size
            ]
            if times:
                lines.append(
                    f"{size[0]:2d} x {size[1]:2d} {name}: {len(times)} instances: "
                    f"least {min(times):.1f} mean {statistics.mean(times):.1f} "
                    f"median {statistics.median(times):.1f} most {max(times):.1f} ms of the processor"
                )
    return lines
