"""`moonjelly plan`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ..core.clock import MonotonicClock
from ..core.errors import RunError, UsageError
from ..core.options import same_options
from ..core.plan import Plan
from ..core.problem import Problem
from ..scheduling.planning.effort import TimeLimit
from ..scheduling.planning.explanation import explain
from ..scheduling.planning.joule_steps import joule_steps
from ..scheduling.planning.objectives.port import Objective, Reaching
from ..scheduling.planning.objectives.registry import ObjectiveOptions
from ..scheduling.planning.port import Planner
from ..scheduling.planning.pricing.pricing import PricingPlanner
from ..scheduling.planning.registry import DEFAULT_PLANNER, PLANNERS, planner
from ..scheduling.planning.rules import score, violations
from ..scheduling.planning.stages import StagedPlanner, stage_words
from ..scheduling.sharing.entitlements import Entitlements
from .problem_file import plan_as_json, read_shared_problem
from .report import check_line, explanation_lines, joule_lines, table_lines
from .yardsticks import read_yardsticks

UNLIMITED_STEPS = 1 << 40  # the clock is the limit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `moonjelly plan`."""
    parser.add_argument(
        "problem", type=Path, metavar="PROBLEM", help="a problem as JSON, or a folder of them"
    )
    parser.add_argument(
        "--planner",
        default=DEFAULT_PLANNER,
        help=f"{', '.join(sorted(PLANNERS))} (default: {DEFAULT_PLANNER})",
    )
    for item in dataclasses.fields(ObjectiveOptions):
        is_text = isinstance(item.default, str)
        parser.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=str if is_text else float,
            default=item.default,
            metavar="TEXT" if is_text else "X",
            help=item.metadata["help"],
        )
    parser.add_argument(
        "--budget-ms",
        type=float,
        metavar="N",
        help="go on improving for that long (pricing, exact); a first plan is made in any case",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of planners that use chance"
    )
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="say for each client what binds it and what a better variant takes",
    )
    parser.add_argument(
        "--check", action="store_true", help="print one line for each problem, with its score"
    )
    parser.add_argument(
        "--yardsticks",
        type=Path,
        metavar="FILE",
        help="with --check: CSV with name, served_bound and accuracy_bound, to give the gap to",
    )


def run(arguments: argparse.Namespace) -> int:
    """Plans; returns the exit status."""
    aim = _aim(arguments)
    chosen = _planner(arguments.planner, arguments.budget_ms)
    if arguments.check or arguments.problem.is_dir():
        if arguments.json or arguments.explain:
            raise UsageError("--json, --explain: for one problem, not with --check or a folder")
        return _check(arguments, chosen, aim)
    if arguments.yardsticks is not None:
        raise UsageError("--yardsticks: only with --check")
    if arguments.json and arguments.explain:
        raise UsageError("--explain: prints text; leave out --json")
    problem, entitlements = aim.read(arguments.problem)
    chosen = Reaching(aim.made, StagedPlanner(chosen, entitlements))
    plan, plan_ms = _timed(chosen, problem, arguments.seed, arguments.problem)
    problem = aim.made.priced(problem)
    result = score(problem, plan)
    if arguments.json:
        output = plan_as_json(problem, plan, result, arguments.planner, plan_ms)
        lines = [json.dumps(output, indent=1)]
    else:
        lines = table_lines(problem, plan, result, arguments.planner, plan_ms)
    if arguments.explain:
        words = stage_words(problem, plan, entitlements) if entitlements else {}
        joules = joule_lines(problem, joule_steps(problem, plan))
        explained = explain(problem, plan, chosen)
        lines += ["", *explanation_lines(problem, explained, words), *joules]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _check(arguments: argparse.Namespace, chosen: Planner, aim: _Aim) -> int:
    folder = arguments.problem
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else [folder]
    if not paths:
        raise UsageError(f"{folder}: holds no *.json")
    yardsticks = read_yardsticks(arguments.yardsticks) if arguments.yardsticks else {}
    for path in paths:
        problem, entitlements = aim.read(path)
        whole = Reaching(aim.made, StagedPlanner(chosen, entitlements))
        plan, plan_ms = _timed(whole, problem, arguments.seed, path)
        line = check_line(path.stem, score(problem, plan), yardsticks.get(path.stem), plan_ms)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


def _timed(chosen: Planner, problem: Problem, seed: int, path: Path) -> tuple[Plan, float]:
    """Plans and checks the plan; returns it with the time it took."""
    start_ns = time.monotonic_ns()
    try:
        plan = chosen.plan(problem, None, Random(seed))  # noqa: S311 - a seed fixes the plan
    except ValueError as error:  # a planner that is for small problems only
        raise UsageError(f"{path}: {error}") from error
    plan_ms = (time.monotonic_ns() - start_ns) / 1e6
    broken = violations(problem, plan)
    if broken:
        raise RunError(f"{path}: the plan breaks a rule: {broken[0]}")
    return plan, plan_ms


class _Hurried:
    """Improves each plan for so long, by the clock alone."""

    def __init__(self, budget_ms: float) -> None:
        self._budget_ms = budget_ms
        self._limit = TimeLimit(MonotonicClock().now_ms)
        self._planner = PricingPlanner(UNLIMITED_STEPS, self._limit)

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """See `Planner`."""
        self._limit.start(self._budget_ms)
        return self._planner.plan(problem, previous, random)


@dataclass(frozen=True, slots=True)
class _Aim:
    """What plans are made for."""

    options: ObjectiveOptions
    made: Objective

    def read(self, path: Path) -> tuple[Problem, Entitlements]:
        """Reads a problem that can be planned for this, and what tenants are entitled to."""
        problem, entitlements = read_shared_problem(path)
        try:
            self.options.check_tables(
                {one.device_id: problem.tables[one.device_type] for one in problem.devices}
            )
        except ValueError as error:
            raise UsageError(f"{path}: {error}") from error
        return problem, entitlements


def _aim(arguments: argparse.Namespace) -> _Aim:
    try:
        options = ObjectiveOptions(**same_options(arguments, ObjectiveOptions))
        if arguments.planner in PLANNERS:
            options.check_chooses_clocks(arguments.planner)
    except ValueError as error:
        name, found, rest = str(error).partition("=")
        raise UsageError(f"--{name.replace('_', '-')}{found}{rest}") from error
    return _Aim(options, options.make_objective())


def _planner(name: str, budget_ms: float | None) -> Planner:
    try:
        chosen = planner(name)
    except ValueError as error:
        raise UsageError(f"--planner: {error}") from error
    if budget_ms is None:
        return chosen
    if not 0 < budget_ms < float("inf"):
        raise UsageError(f"--budget-ms={budget_ms:g}: must be above 0 and finite")
    if isinstance(chosen, PricingPlanner):
        return _Hurried(budget_ms)
    if name == "exact":
        from ..scheduling.planning.exact.exact import ExactPlanner  # noqa: PLC0415 - loads the solver

        return ExactPlanner(time_limit_s=budget_ms / 1000)
    raise UsageError(f"--budget-ms: planner {name} takes none; pricing and exact do")
