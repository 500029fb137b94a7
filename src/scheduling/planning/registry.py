"""The planners by name."""

from __future__ import annotations

from collections.abc import Callable

from ...core.checks import echo
from .brute_force import BruteForcePlanner
from .fixed import FixedPlanner
from .greedy import GreedyPlanner
from .hill_climbing import HillClimbingPlanner
from .port import Planner
from .pricing import PricingPlanner
from .random_plan import RandomPlanner
from .sa_dp import SaDpPlanner


def _exact() -> Planner:
    from .exact import ExactPlanner  # noqa: PLC0415 - loads the solver, which serving does not need

    return ExactPlanner()


DEFAULT_PLANNER = "pricing"

PLANNERS: dict[str, Callable[[], Planner]] = {
    "brute-force": BruteForcePlanner,
    "exact": _exact,
    "fixed": FixedPlanner,
    "greedy": GreedyPlanner,
    "hill-climbing": HillClimbingPlanner,
    "pricing": PricingPlanner,
    "random": RandomPlanner,
    "sa-dp": SaDpPlanner,
}


def planner(name: str) -> Planner:
    """Returns the planner of that name.

    Raises:
        ValueError: listing the names there are.
    """
    if name not in PLANNERS:
        raise ValueError(f"planner={echo(name)}: must be one of {', '.join(sorted(PLANNERS))}")
    return PLANNERS[name]()
