"""`moonjelly simulate timings`: how long planners take, on random instances."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from .instances import draw_instance
from .options import add_study_options
from .study import KEYS, Part, Row, TextRow, run_study, timed_plan

COLUMNS = (*KEYS, "planner", "served_ratio", "accuracy", "plan_ms", "processor_ms")
MOST = 0.75  # of the clients, which the mapping must serve at first, for an instance to count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_study_options(
        parser, out="runs/timings", devices="2,4,8,16", clients="4,6,8,10", num_instances=20
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the study, or what is left of it; returns the exit status."""
    notes = {"workers": str(arguments.workers)}
    return run_study(arguments, "timings", COLUMNS, notes, measure, summary_line)


def measure(part: Part, *, seed: int, planners: Sequence[str]) -> list[Row]:
    """Times each planner on one instance; a row for each."""
    drawn = draw_instance(part.size, seed, part.number, MOST)
    rows: list[Row] = []
    for name in planners:
        result, plan_ms, processor_ms = timed_plan(drawn, name, seed)
        rows.append(
            {
                **part.keys(),
                "planner": name,
                "served_ratio": result.served_ratio,
                "accuracy": result.accuracy_per_request,
                "plan_ms": plan_ms,
                "processor_ms": processor_ms,
            }
        )
    return rows


def summary_line(own: Sequence[TextRow]) -> str:
    """Processor time of one planner at one size: least, mean, median and most."""
    times = [float(row["processor_ms"]) for row in own]
    return (
        f"{len(times)} instances: least {min(times):.1f} mean {statistics.mean(times):.1f} "
        f"median {statistics.median(times):.1f} most {max(times):.1f} ms of the processor"
    )
