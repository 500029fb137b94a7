"""The planners by name. A planner's module is loaded when it is asked for: some need scipy or a solver."""

from __future__ import annotations

from importlib import import_module
from random import Random
from typing import Any

from ...core.checks import echo
from ...core.plan import Plan
from ...core.problem import Problem
from .effort import TimeLimit
from .port import Planner
from .switching import SwitchingCost

DEFAULT_PLANNER = "pricing"

PLANNERS = {
    "brute-force": ("exact.brute_force", "BruteForcePlanner"),
    "exact": ("exact.exact", "ExactPlanner"),
    "fixed": ("baselines.fixed", "FixedPlanner"),
    "greedy": ("baselines.greedy", "GreedyPlanner"),
    "hill-climbing": ("baselines.hill_climbing", "HillClimbingPlanner"),
    "pricing": ("pricing.pricing", "PricingPlanner"),
    "random": ("baselines.random_plan", "RandomPlanner"),
    "sa-dp": ("published.sa_dp", "SaDpPlanner"),
}  # module and class
AS_PUBLISHED = ("fixed", "greedy", "hill-climbing", "random", "sa-dp")
"""They reckon with the published throughput, which is never above ours."""


def planner(
    name: str, switching: SwitchingCost | None = None, limit: TimeLimit | None = None
) -> Planner:
    """Returns the planner of that name.

    Args:
        name: one of `PLANNERS`.
        switching: for a planner that weighs what a change costs; the default cost if None.
        limit: of the time that each plan may take, started by whoever has one made; none if None.

    Raises:
        ValueError: listing the names there are.
    """
    check_planner(name)
    module, attribute = PLANNERS[name]
    make = getattr(import_module(f".{module}", __package__), attribute)
    options: dict[str, Any] = {} if name == "random" else {"limit": limit}  # it is done at once
    if name == "pricing":
        options["switching"] = switching
    chosen: Planner = make(**options)
    return _AsPublished(chosen) if name in AS_PUBLISHED else chosen


class _AsPublished:
    """Has a planner reckon with throughput as it was published."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def plan(self, problem: Problem, previous: Plan | None, random: Random) -> Plan:
        """See `Planner`."""
        return self._planner.plan(problem.published(), previous, random)


def preload(name: str) -> None:
    """Loads what a planner needs only now and then, so that no plan waits for it: a third of a second."""
    import_module(f".{PLANNERS[name][0]}", __package__)
    if name in ("pricing", "exact"):
        import_module("scipy.optimize")


def check_planner(name: str) -> str:
    """Returns the name of a planner.

    Raises:
        ValueError: listing the names there are.
    """
    if name not in PLANNERS:
        raise ValueError(f"planner={echo(name)}: must be one of {', '.join(sorted(PLANNERS))}")
    return name
