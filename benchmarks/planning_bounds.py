"""Bounds what plans of the drawn problems can reach, into the table that `planning.py` compares with.

The problems are a set of every family (`draw_problems`) and, for overload with 8 and 16 devices, twenty
seeds more. An integer program gives the bounds. A table that is there is
continued; half an hour to an hour from nothing.

    python benchmarks/planning_bounds.py [--out FILE] [--limit-s 30]
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.progress import track

from moonjelly.core.problem import Problem
from moonjelly.planning_tool.yardsticks import COLUMNS, PROVED, Yardstick, read_yardsticks
from moonjelly.scheduling.planning.exact.pooled_program import PooledProgram
from moonjelly.scheduling.planning.exact.proof import costs_of, fillable, value_of
from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.pricing.prices import Market
from moonjelly.scheduling.planning.pricing.pricing import first_plan
from moonjelly.simulation.studies.families import draw_benchmark

FOLDER = Path(__file__).resolve().parent
PROVED_RATIO = 0.001  # how near what was found must be to the bound of accuracy
TOLERANCE = 1e-6


def bound(problem: Problem, time_limit_s: float) -> Yardstick:
    """Returns bounds, first of streams served, then of the accuracy of plans that serve so many.

    Rates must have a simple unit in common. The time limit is for each of the two.
    """
    instance = build(problem)
    if not instance.num_streams:
        return Yardstick(0, 0.0, is_proved=True)
    market = Market(instance)
    draft = first_plan(instance, market)
    served = sum(map(len, draft.members))
    capacities = fillable(instance)
    num_devices = np.bincount(instance.types, minlength=instance.num_types)
    most = market.most_served(np.arange(instance.num_streams), num_devices)
    if served < most:
        pooled = PooledProgram(instance, instance.fits, capacities).most_served(
            served, time_limit_s
        )
        most = min(most, math.floor(pooled + TOLERANCE))
    if not most:
        return Yardstick(0, 0.0, is_proved=True)
    least, allowed = 0.0, instance.fits
    prices = market.of_all(most)
    if served == most:
        least = value_of(instance, draft)
        gap = prices.bound - least
        allowed = allowed & (costs_of(instance, prices, capacities)[1] <= gap + TOLERANCE)
    program = PooledProgram(instance, allowed, capacities)
    value, found = program.most_accurate(most, time_limit_s)
    value = min(max(value, least), prices.bound)
    total_fps = math.fsum(one.fps for one in problem.streams if problem.is_servable(one))
    return Yardstick(
        most,
        value * instance.unit_fps / total_fps,
        is_proved=max(found, least) >= value * (1 - PROVED_RATIO),
    )


def write_yardsticks(path: Path, yardsticks: Mapping[str, Yardstick], command: str) -> None:
    """Writes such a table, with the command that made it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# command: {command}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, PROVED))
        for name, one in sorted(yardsticks.items()):
            writer.writerow(
                (name, one.served_bound, f"{one.accuracy_bound:.6f}", int(one.is_proved))
            )


def main() -> int:
    """Adds what is missing; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER / "planning_bounds.csv")
    parser.add_argument(
        "--limit-s", type=float, default=30.0, help="for each of two bounds of a problem"
    )
    arguments = parser.parse_args()
    known = read_yardsticks(arguments.out) if arguments.out.exists() else {}
    missing = [(name, problem) for name, problem in draw_benchmark() if name not in known]
    command = f"python benchmarks/planning_bounds.py --limit-s {arguments.limit_s:g}"
    for name, problem in track(missing, description="bounds"):
        known[name] = bound(problem, arguments.limit_s)
        write_yardsticks(arguments.out, known, command)
    return 0


if __name__ == "__main__":
    sys.exit(main())
