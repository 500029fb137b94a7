"""The objectives by name, from what somebody asks for."""

from __future__ import annotations

from dataclasses import dataclass

from ....core.checks import echo
from ....core.limits import Range
from ....core.options import check_ranges, option
from ....core.problem import Problem
from .accuracy import Accuracy
from .joules import Joules
from .port import Objective
from .price_search import LEAST_PRICE, MOST_PRICE

OBJECTIVES = ("accuracy", "joules")
MOST_W = 1e9
JOULE_PLANNERS = ("brute-force", "exact", "pricing")  # that choose clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveOptions:
    """What plans are made for.

    Raises:
        ValueError: naming option, value and rule.
    """

    objective: str = option(
        "accuracy", f"what plans are made for once all are served: {', '.join(OBJECTIVES)}"
    )
    price_per_joule: float = option(
        0.0,
        "with joules: what a joule above idle costs, in accuracy of a frame",
        Range(0, MOST_PRICE),
    )
    energy_budget_w: float = option(
        0.0,
        "with joules: in place of a price, what all devices should draw (W); everybody is served first",
        Range(0, MOST_W),
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"objective={echo(self.objective)}: must be one of {', '.join(OBJECTIVES)}"
            )
        if self.objective == "joules" and bool(self.price_per_joule) == bool(self.energy_budget_w):
            raise ValueError("objective=joules: takes either price_per_joule or energy_budget_w")
        for name in ("price_per_joule", "energy_budget_w"):
            if self.objective == "accuracy" and getattr(self, name):
                raise ValueError(f"{name}={getattr(self, name):g}: only with objective joules")

    def check_planner(self, planner: str) -> None:
        """Raises ValueError if a planner of that name cannot plan for this."""
        if self.objective != "accuracy" and planner not in JOULE_PLANNERS:
            raise ValueError(
                f"objective={self.objective}: planner {planner} chooses no clocks; "
                f"{', '.join(JOULE_PLANNERS)} do"
            )

    def check_devices(self, problem: Problem) -> None:
        """Raises ValueError if a device of a problem has no table of energy, and it is to count."""
        for device in problem.devices:
            table = problem.tables[device.device_type]
            if self.objective != "accuracy" and not table.knows_joules:
                raise ValueError(
                    f"objective={self.objective}: device {device.device_id} has no table of energy and idle power"
                )

    def made(self) -> Objective:
        """Returns the objective."""
        if self.objective == "accuracy":
            return Accuracy()
        return Joules(self.price_per_joule or LEAST_PRICE, self.energy_budget_w or None)
