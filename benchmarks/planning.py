"""How good and how fast plans are: the default planner, SA-DP and the baselines side by side.

Four parts, each into one CSV, then every bar with what was measured:

* `planning_quality.csv`: every drawn problem (`moonjelly.simulation.studies.families`), planned by each planner;
  gaps to the bounds in `planning_bounds.csv` (made by `planning_bounds.py`); whether the default falls
  below SA-DP anywhere. Or every problem of a folder, with its own table of bounds.
* `planning_scale.csv`: drawn problems of the published simulation's kind, ten clients a device, up to 1,000 devices:
  time of the first plan, of the next one after one client's link changed, and the gap to the
  relaxation's bound. A planner leaves the comparison after the first size at which it takes more
  than `--patience-s`.
* `planning_changes.csv`: a minute of plans every 0.5 s while links wander: variants loaded a minute and
  accuracy, by what a change is charged.
* `planning_exact.csv`: time to prove the optimum of these problems with up to 4 devices and 24 clients.

Times are by the clock; `processor_ms` beside them is what other work on the machine disturbs less.

    python benchmarks/planning.py [PROBLEMS [--yardsticks FILE]] [--out FOLDER] [--patience-s 20]
    python plots/planning.py FOLDER
"""

from __future__ import annotations

import argparse
import csv
import math
import shlex
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from moonjelly.core.plan import Plan
from moonjelly.core.problem import Problem
from moonjelly.planning_tool.problem_file import read_problem
from moonjelly.planning_tool.yardsticks import Yardstick, read_yardsticks
from moonjelly.scheduling.planning.exact.exact import ExactPlanner
from moonjelly.scheduling.planning.instance import build
from moonjelly.scheduling.planning.port import Planner
from moonjelly.scheduling.planning.pricing.prices import Market
from moonjelly.scheduling.planning.pricing.pricing import PricingPlanner
from moonjelly.scheduling.planning.registry import DEFAULT_PLANNER, planner
from moonjelly.scheduling.planning.rules import score, violations
from moonjelly.scheduling.planning.switching import SwitchingCost
from moonjelly.simulation.studies.families import draw_benchmark
from moonjelly.simulation.studies.instances import draw_problem

FOLDER = Path(__file__).resolve().parent
BOUNDS = FOLDER / "planning_bounds.csv"
COMPARED = (DEFAULT_PLANNER, "sa-dp", "hill-climbing", "greedy", "fixed", "random")
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
CLIENTS_PER_DEVICE = 10
ROUNDS = 2
REPLANS = 9
PERIOD_S = 0.5
COST_RATIOS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)  # of a switch
MAX_EXACT_DEVICES, MAX_EXACT_CLIENTS, EXACT_LIMIT_S = 4, 24, 10.0
FAR_PERCENT = 0.8  # of accuracy
TOLERANCE = 0.001  # of accuracy, in "never below SA-DP"


def main() -> int:
    """Measures everything; returns the exit status: 1 if a plan breaks a rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problems", type=Path, nargs="?", help="folder of problems as JSON")
    parser.add_argument("--yardsticks", type=Path, help="CSV of bounds; default: of the drawn ones")
    parser.add_argument("--out", type=Path, default=FOLDER / "results")
    parser.add_argument("--patience-s", type=float, default=20.0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    yardsticks = {}
    if arguments.problems is None:
        problems = dict(draw_benchmark())
        yardsticks = read_yardsticks(BOUNDS)
    else:
        paths = sorted(arguments.problems.glob("*.json"))
        problems = {path.stem: read_problem(path) for path in paths}
    if arguments.yardsticks is not None:
        yardsticks = read_yardsticks(arguments.yardsticks)
    quality = list(measure_quality(problems, yardsticks))
    write(arguments.out / "planning_quality.csv", quality)
    bars = report_quality(quality)
    scale = list(measure_scale(arguments.patience_s))
    write(arguments.out / "planning_scale.csv", scale)
    bars += report_scale(scale)
    changes = list(measure_changes())
    write(arguments.out / "planning_changes.csv", changes)
    report(changes)
    proofs = list(measure_exact(problems))
    write(arguments.out / "planning_exact.csv", proofs)
    bars += report_exact(proofs)
    print("\nwhat: measured (bar; aim)")
    for bar in bars:
        print(bar.line())
    return 0


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that has to be reached; less is better unless `is_floor`."""

    what: str
    measured: float
    bar: float
    aim: float
    unit: str = ""
    is_floor: bool = False

    def line(self) -> str:
        """One line, with whether it was reached."""
        sign = -1 if self.is_floor else 1
        word = "missed"
        if sign * self.measured <= sign * self.bar:
            word = "met"
        if sign * self.measured <= sign * self.aim:
            word = "aim met"
        return (
            f"{word:8s} {self.what}: {self.measured:.4g} {self.unit} "
            f"({self.bar:g}; {self.aim:g} {self.unit})"
        )


def timed(
    chosen: Planner, problem: Problem, previous: Plan | None = None
) -> tuple[Plan, float, float]:
    """Plans once and checks the plan; returns it, and the milliseconds by clock and processor."""
    start_ns, start_processor_ns = time.monotonic_ns(), time.process_time_ns()
    plan = chosen.plan(problem, previous, Random(0))
    plan_ms = (time.monotonic_ns() - start_ns) / 1e6
    processor_ms = (time.process_time_ns() - start_processor_ns) / 1e6
    broken = violations(problem, plan)
    if broken:
        raise SystemExit(f"a plan breaks a rule: {broken[0]}")
    return plan, plan_ms, processor_ms


def measure_quality(
    problems: dict[str, Problem], yardsticks: dict[str, Yardstick]
) -> Iterable[dict[str, object]]:
    """Plans each problem with each planner; the default gets the better time of two."""
    for title, problem in problems.items():
        known = yardsticks.get(title)
        for name in COMPARED:
            rounds = ROUNDS if name == DEFAULT_PLANNER else 1
            runs = [timed(planner(name), problem) for _ in range(rounds)]
            result = score(problem, runs[0][0])
            bound = known.accuracy_bound if known else None
            yield {
                "problem": title,
                "planner": name,
                "num_devices": len(problem.devices),
                "num_clients": len(problem.streams),
                "num_served": result.num_served,
                "served_bound": known.served_bound if known else None,
                "accuracy": result.accuracy_per_request,
                "accuracy_bound": bound,
                "is_proved": known.is_proved if known else None,
                "plan_ms": min(run[1] for run in runs),
                "processor_ms": min(run[2] for run in runs),
            }


def report_quality(rows: list[dict[str, object]]) -> list[Bar]:
    """Prints the figures; returns those that are bars."""
    bars = []
    ours = [row for row in rows if row["planner"] == DEFAULT_PLANNER]
    proved = [row for row in ours if row["is_proved"]]
    if proved:
        # Who serves fewer may well see more accurately: that is no gain.
        gaps = [
            1 - row["accuracy"] / row["accuracy_bound"]
            for row in proved
            if row["num_served"] == row["served_bound"]
        ]
        served = [row["num_served"] / row["served_bound"] for row in proved if row["served_bound"]]
        print(
            f"{len(proved)} proved problems, {len(gaps)} with all that can be served: accuracy short of the bound by "
            f"{100 * statistics.mean(gaps):.3f} % on average, {100 * max(gaps):.3f} % at worst; "
            f"served count at least {100 * min(served):.2f} % of the bound"
        )
        for family in sorted({family_of(row) for row in ours}):
            report_family(family, [row for row in ours if family_of(row) == family])
        bars += [
            Bar("mean shortfall of accuracy", 100 * statistics.mean(gaps), 0.3, 0.1, "%"),
            Bar("worst shortfall of accuracy", 100 * max(gaps), 2, 0.5, "%"),
            Bar("served against the bound", 100 * min(served), 99, 100, "%", is_floor=True),
        ]
    below = []
    for row in ours:
        (other,) = [
            one for one in rows if one["planner"] == "sa-dp" and one["problem"] == row["problem"]
        ]
        if row["num_served"] < other["num_served"] or (
            row["num_served"] == other["num_served"]
            and row["accuracy"] < other["accuracy"] * (1 - TOLERANCE)
        ):
            below.append(row["problem"])
    print(f"below SA-DP on {len(below)} of {len(ours)}: {' '.join(below) or '-'}")
    bars.append(Bar("problems below SA-DP", len(below), 0, 0))
    for name in COMPARED:
        times, processor = (
            [row[kind] for row in rows if row["planner"] == name]
            for kind in ("plan_ms", "processor_ms")
        )
        print(
            f"{name}: {statistics.median(times):.1f} ms at the median, {max(times):.0f} at most; "
            f"of the processor {statistics.median(processor):.1f} and {max(processor):.0f}"
        )
    return bars


def family_of(row: dict[str, object]) -> str:
    """The family of a problem; of overload, 8 and 16 devices are told apart."""
    name = row["problem"].split("-")[0]
    return f"{name} on {row['num_devices']}" if name == "overload" else name


def report_family(family: str, rows: list[dict[str, object]]) -> None:
    """Prints how far the default is from the proved bounds of one family."""
    proved = [row for row in rows if row["is_proved"] and row["accuracy_bound"]]
    equal = [row for row in proved if row["num_served"] == row["served_bound"]]
    gaps = [100 * (1 - row["accuracy"] / row["accuracy_bound"]) for row in equal]
    if gaps:
        print(
            f"  {family}: {len(proved)} of {len(rows)} proved, {len(equal)} with all that can be served: short by "
            f"{statistics.mean(gaps):.3f} % on average, {max(gaps):.2f} % at worst, "
            f"{sum(gap > FAR_PERCENT for gap in gaps)} by more than {FAR_PERCENT} %"
        )


def relative_gap(problem: Problem, plan: Plan) -> float:
    """How far a plan's accuracy is below the relaxation's bound for as many clients, 0 to 1."""
    instance = build(problem)
    result = score(problem, plan)
    if not result.num_served:
        return 0.0
    bound = (
        Market(instance)
        .prices(
            np.arange(instance.num_streams),
            np.bincount(instance.types, minlength=instance.num_types),
            result.num_served,
        )
        .bound
    )
    total_fps = math.fsum(one.fps for one in problem.streams if problem.is_servable(one))
    return 1 - result.accuracy_per_request / (bound * instance.unit_fps / total_fps)


def measure_scale(patience_s: float) -> Iterable[dict[str, object]]:
    """Times first plans and plans after one change, size by size."""
    alive = set(COMPARED)
    for size in SIZES:
        problem = draw_problem(size, CLIENTS_PER_DEVICE * size, Random(size))
        for name in COMPARED:
            if name not in alive:
                continue
            rounds = ROUNDS if name == DEFAULT_PLANNER else 1
            runs = [timed(planner(name), problem) for _ in range(rounds)]
            plan, plan_ms, processor_ms = min(runs, key=lambda run: run[1])
            result = score(problem, plan)
            row: dict[str, object] = {
                "planner": name,
                "num_devices": size,
                "num_clients": len(problem.streams),
                "plan_ms": plan_ms,
                "processor_ms": processor_ms,
                "replan_ms": None,
                "replan_processor_ms": None,
                "served_ratio": result.served_ratio,
                "accuracy": result.accuracy_per_request,
                "gap_ratio": relative_gap(problem, plan),
            }
            if name == DEFAULT_PLANNER:
                again = list(_replans(problem, plan))
                row["replan_ms"] = statistics.median(ms for ms, _ in again)
                row["replan_processor_ms"] = statistics.median(ms for _, ms in again)
            if plan_ms > 1000 * patience_s:
                alive.discard(name)
            yield row


def _replans(problem: Problem, plan: Plan) -> Iterable[tuple[float, float]]:
    """Times, by clock and processor, of plans after the link of one client has lost or won a third."""
    random = Random(1)
    for number in range(REPLANS):
        index = random.randrange(len(problem.streams))
        client = problem.streams[index]
        factor = 2 / 3 if number % 2 else 4 / 3
        changed = replace(client, bandwidth_kbps=client.bandwidth_kbps * factor)
        clients = (*problem.streams[:index], changed, *problem.streams[index + 1 :])
        yield timed(PricingPlanner(), replace(problem, streams=clients), plan)[1:]


def report_scale(rows: list[dict[str, object]]) -> list[Bar]:
    """Prints times, growth and where each planner leaves the period; returns the bars."""
    report([row for row in rows if row["planner"] == DEFAULT_PLANNER])
    ours = [row for row in rows if row["planner"] == DEFAULT_PLANNER and row["num_clients"] >= 100]
    slope, processor_slope = (
        np.polyfit(
            [math.log(row["num_clients"]) for row in ours], [math.log(row[kind]) for row in ours], 1
        )[0]
        for kind in ("plan_ms", "processor_ms")
    )
    print(f"time of {DEFAULT_PLANNER} grows as clients^{slope:.2f} from 100 clients on")
    for name in COMPARED:
        late = [
            row["num_devices"]
            for row in rows
            if row["planner"] == name and row["processor_ms"] > 1000 * PERIOD_S
        ]
        where = f"from {late[0]} devices on" if late else "at no size measured"
        print(f"{name} takes longer than {PERIOD_S:g} s of the processor {where}")
    at = {row["num_devices"]: row for row in ours}
    return [
        Bar("16 devices x 160 clients, first plan", at[16]["plan_ms"], 100, 20, "ms"),
        Bar("same, after one link changed", at[16]["replan_ms"], 20, 2, "ms"),
        Bar("128 devices x 1,280 clients", at[128]["plan_ms"], 500, 100, "ms"),
        Bar("1,000 devices x 10,000 clients", at[1000]["plan_ms"], 5000, 500, "ms"),
        Bar("exponent of time over clients, by the clock", slope, 1.3, 1),
        Bar("same, by processor time", processor_slope, 1.3, 1),
    ]


def measure_exact(problems: dict[str, Problem]) -> Iterable[dict[str, object]]:
    """Proves the optimum of each small problem."""
    for title, problem in problems.items():
        if len(problem.devices) > MAX_EXACT_DEVICES or len(problem.streams) > MAX_EXACT_CLIENTS:
            continue
        start_s = time.monotonic()
        solution = ExactPlanner(EXACT_LIMIT_S).solve(problem)
        prove_s = time.monotonic() - start_s
        result = score(problem, solution.plan)
        yield {
            "problem": title,
            "num_devices": len(problem.devices),
            "num_clients": len(problem.streams),
            "is_proved": int(solution.is_optimal),
            "num_served": result.num_served,
            "accuracy": result.accuracy_per_request,
            "accuracy_bound": solution.value_bound,
            "prove_s": prove_s,
        }


def report_exact(rows: list[dict[str, object]]) -> list[Bar]:
    """Prints how many were proved; returns the bars."""
    if not rows:
        return []
    proved = sum(row["is_proved"] for row in rows)
    most_s = max(row["prove_s"] for row in rows)
    print(f"exact proves {proved} of {len(rows)} small problems, the slowest in {most_s:.2f} s")
    return [
        Bar("small problems proved", 100 * proved / len(rows), 100, 100, "%", is_floor=True),
        Bar("slowest proof", most_s, EXACT_LIMIT_S, 1, "s"),
    ]


def measure_changes() -> Iterable[dict[str, object]]:
    """Plans for a minute while links wander by a few per cent a period."""
    start = draw_problem(16, 120, Random(3))
    for ratio in COST_RATIOS:
        chosen = PricingPlanner(switching=SwitchingCost(ratio))
        random = Random(4)
        problem, plan = start, timed(chosen, start)[0]
        loaded = moved = 0
        accuracies, served, times = [], [], []
        for _ in range(round(60 / PERIOD_S)):
            problem = replace(
                problem,
                streams=tuple(
                    replace(
                        one,
                        bandwidth_kbps=min(
                            max(one.bandwidth_kbps * math.exp(random.gauss(0, 0.04)), 7_500), 50_000
                        ),
                    )
                    for one in problem.streams
                ),
            )
            after, ms, _ = timed(chosen, problem, plan)
            loaded += sum(
                one.mode.variant != other.mode.variant
                for one, other in zip(plan.devices, after.devices, strict=True)
            )
            moved += sum(plan.placement[name] != place for name, place in after.placement.items())
            plan = after
            result = score(problem, plan)
            accuracies.append(result.accuracy_per_request)
            served.append(result.served_ratio)
            times.append(ms)
        fresh = score(problem, timed(chosen, problem)[0])
        yield {
            "switching_cost_ratio": ratio,
            "loads_per_minute": loaded,
            "moves_per_minute": moved,
            "served_ratio": statistics.mean(served),
            "accuracy": statistics.mean(accuracies),
            "accuracy_at_end": accuracies[-1],
            "accuracy_of_fresh_plan": fresh.accuracy_per_request,
            "plan_ms": statistics.median(times),
        }


def report(rows: list[dict[str, object]]) -> None:
    """Prints rows as columns."""
    for row in rows:
        cells = (
            f"{key} {value:.5g}" for key, value in row.items() if isinstance(value, int | float)
        )
        print(", ".join(cells))


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """Writes rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(
            f"# command: {shlex.join(['python', 'benchmarks/planning.py', *sys.argv[1:]])}\n"
        )
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: text(value) for name, value in row.items()} for row in rows)


def text(value: object) -> object:
    """A cell: floats with seven digits."""
    return f"{value:.7g}" if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
