"""The planners by name."""

from __future__ import annotations

from ...core.checks import echo
from .port import Planner
from .sa_dp import SaDpPlanner

PLANNERS = {"sa-dp": SaDpPlanner}


def planner(name: str) -> Planner:
    """Returns the planner of that name.

    Raises:
        ValueError: listing the names there are.
    """
    if name not in PLANNERS:
        raise ValueError(f"planner={echo(name)}: must be one of {', '.join(sorted(PLANNERS))}")
    return PLANNERS[name]()
