"""Bounds what plans of the drawn problems can reach, into the table that `planning.py` compares with.

The problems are a set of every family (`draw_problems`) and, for overload with 8 and 16 devices, twenty
seeds more. An integer program gives the bounds. A table that is there is
continued; half an hour to an hour from nothing.

    python benchmarks/planning_bounds.py [--out FILE] [--limit-s 30]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.progress import track

from moonjelly.planning_tool.bounds import bound
from moonjelly.planning_tool.yardsticks import read_yardsticks, write_yardsticks
from moonjelly.simulation.studies.families import draw_benchmark

FOLDER = Path(__file__).resolve().parent


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
