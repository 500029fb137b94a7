"""`moonjelly simulate compare`: planners against the proved optimum, on random instances."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from functools import partial

from ...core.errors import UsageError
from ...scheduling.planning.rules import score
from .instances import draw_instance
from .options import add_study_options
from .study import KEYS, Part, Row, TextRow, run_study, timed_plan

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
    if not 0 < arguments.time_limit_s < float("inf"):
        raise UsageError(f"--time-limit-s {arguments.time_limit_s:g}: must be above 0 and finite")
    return run_study(
        arguments,
        "compare",
        COLUMNS,
        {"time_limit_s": f"{arguments.time_limit_s:g}"},
        partial(compare, time_limit_s=arguments.time_limit_s),
        summary_line,
    )


def compare(part: Part, *, seed: int, planners: Sequence[str], time_limit_s: float) -> list[Row]:
    """Plans one instance with each planner and with the exact one; a row for each planner."""
    from ...scheduling.planning.exact.exact import ExactPlanner  # noqa: PLC0415 - loads the solver

    drawn = draw_instance(part.size, seed, part.number, EVERYBODY)
    problem = drawn.problem
    start_s = time.perf_counter()
    solution = ExactPlanner(time_limit_s).solve(problem)
    exact_ms = 1000 * (time.perf_counter() - start_s)
    best = score(problem, solution.plan)
    rows: list[Row] = []
    for name in planners:
        result, plan_ms, _ = timed_plan(drawn, name, seed)
        rows.append(
            {
                **part.keys(),
                "planner": name,
                "num_servable": result.num_servable,
                "num_served": result.num_served,
                "accuracy": result.accuracy_per_request,
                "plan_ms": plan_ms,
                "exact_served": best.num_served,
                "exact_accuracy": best.accuracy_per_request,
                "accuracy_bound": solution.value_bound,
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


def summary_line(own: Sequence[TextRow]) -> str:
    """Outcomes of one planner at one size, and accuracy relative to the exact planner's."""
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
    return f"{len(own)} instances, {proved} proved: {counts}; {spread}"
