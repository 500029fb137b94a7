"""`moonjelly simulate compare`: planners against the proved optimum, on random instances."""

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

from ...core.errors import UsageError
from ...scheduling.planning.registry import planner
from ...scheduling.planning.rules import score
from .instances import Size, draw_instance
from .options import add_study_options, command_line, make_folder, planners_of, sizes_of
from .study import KEYS, StudyTable, run_parts

TABLE_FILE = "compare.csv"
COLUMNS = (
    *KEYS,
    "planner",
    "num_servable",
    "num_served",
    "accuracy",
    "plan_ms",
    "exact_served",
    "exact_accuracy",
    "accuracy_bound",
    "is_proved",
    "exact_ms",
    "outcome",
)
EVERYBODY = 1.0  # whom the mapping must serve at first, for an instance to count
EQUAL_RATIO = 1e-6  # accuracies this close are equal
DEFAULT_TIME_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class _Part:
    size: Size
    number: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_study_options(parser, out="runs/compare", devices="2,4", clients="4,6,8", num_instances=100)
    parser.add_argument(
        "--time-limit-s",
        type=float,
        default=DEFAULT_TIME_LIMIT_S,
        metavar="S",
        help="to prove the optimum of one instance; default: %(default)g",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the study, or what is left of it; returns the exit status."""
    from ...reporting.figures import draw_folder  # noqa: PLC0415 - matplotlib takes a second

    sizes, names = sizes_of(arguments), planners_of(arguments)
    if not 0 < arguments.time_limit_s < float("inf"):
        raise UsageError(f"--time-limit-s {arguments.time_limit_s:g}: must be above 0 and finite")
    folder: Path = arguments.out
    make_folder(folder)
    notes = {
        "command": command_line(),
        "seed": str(arguments.seed),
        "planners": ",".join(names),
        "time_limit_s": f"{arguments.time_limit_s:g}",
    }
    table = StudyTable(folder / TABLE_FILE, COLUMNS, notes)
    done = table.parts()
    parts = [
        _Part(size, number)
        for number in range(arguments.instances)
        for size in sizes
        if (size.num_devices, size.clients_per_device, number) not in done
    ]
    work = partial(
        compare, seed=arguments.seed, planners=names, time_limit_s=arguments.time_limit_s
    )
    run_parts(parts, work, table, arguments.workers)
    sys.stdout.write("\n".join(summary_lines(table.rows, names)) + "\n")
    paths = draw_folder(folder, folder, ["compare"])
    sys.stdout.write(f"\n{folder / TABLE_FILE}\n" + "".join(f"{path}\n" for path in paths))
    return 0


def compare(
    part: _Part, *, seed: int, planners: Sequence[str], time_limit_s: float
) -> list[dict[str, object]]:
    """Plans one instance with each planner and with the exact one; a row for each planner."""
    from ...scheduling.planning.exact.exact import ExactPlanner  # noqa: PLC0415 - loads the solver

    drawn = draw_instance(part.size, seed, part.number, EVERYBODY)
    problem = drawn.problem
    start_s = time.perf_counter()
    solution = ExactPlanner(time_limit_s).solve(problem)
    exact_ms = 1000 * (time.perf_counter() - start_s)
    best = score(problem, solution.plan)
    rows: list[dict[str, object]] = []
    for name in planners:
        chosen, random = planner(name), Random(seed)  # noqa: S311 - a seed fixes the plan
        start_s = time.perf_counter()
        plan = chosen.plan(problem, drawn.first, random)
        plan_ms = 1000 * (time.perf_counter() - start_s)
        result = score(problem, plan)
        rows.append(
            {
                "num_devices": part.size.num_devices,
                "clients_per_device": part.size.clients_per_device,
                "instance": part.number,
                "planner": name,
                "num_servable": result.num_servable,
                "num_served": result.num_served,
                "accuracy": result.accuracy_per_request,
                "plan_ms": plan_ms,
                "exact_served": best.num_served,
                "exact_accuracy": best.accuracy_per_request,
                "accuracy_bound": solution.accuracy_bound,
                "is_proved": int(solution.is_optimal),
                "exact_ms": exact_ms,
                "outcome": outcome(
                    (result.num_served, result.accuracy_per_request),
                    (best.num_served, best.accuracy_per_request),
                ),
            }
        )
    return rows


def outcome(found: tuple[int, float], best: tuple[int, float]) -> str:
    """How a plan compares with the exact planner's, by clients served, then by accuracy.

    Returns:
        `equal`, `worse` or `better` in accuracy; `fewer` or `more` if it serves others in number.
    """
    if found[0] != best[0]:
        return "fewer" if found[0] < best[0] else "more"
    if abs(found[1] - best[1]) <= EQUAL_RATIO * best[1]:
        return "equal"
    return "worse" if found[1] < best[1] else "better"


def summary_lines(rows: Sequence[Mapping[str, str]], planners: Sequence[str]) -> list[str]:
    """A line for each size and planner: outcomes, and accuracy relative to the exact planner's."""
    lines = []
    for size in sorted({(int(row["num_devices"]), int(row["clients_per_device"])) for row in rows}):
        of_size = [row for row in rows if (int(row[KEYS[0]]), int(row[KEYS[1]])) == size]
        for name in planners:
            own = [row for row in of_size if row["planner"] == name]
            if not own:
                continue
            kinds = [row["outcome"] for row in own]
            counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
            ratios = [
                float(row["accuracy"]) / float(row["exact_accuracy"])
                for row in own
                if row["num_served"] == row["exact_served"] and float(row["exact_accuracy"])
            ]
            spread = (
                f"accuracy ratio least {min(ratios):.4f} mean {statistics.mean(ratios):.5f} "
                f"most {max(ratios):.4f}"
                if ratios
                else "never serves as many"
            )
            proved = sum(row["is_proved"] == "1" for row in own)
            lines.append(
                f"{size[0]} x {size[1]:2d} {name}: {len(own)} instances, {proved} proved: "
                f"{counts}; {spread}"
            )
    return lines
