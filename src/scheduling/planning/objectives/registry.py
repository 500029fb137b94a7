"""The objectives by name, from what somebody asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....core.checks import echo
from ....core.limits import Range
from ....core.mode import ModeTable
from ....core.options import check_ranges, option
from .accuracy import Accuracy
from .caps import PowerCaps
from .port import MOST_PRICE, Objective

OBJECTIVES = ("accuracy", "capped", "joules")
MOST_W = 1e9
ONLY_WITH = {
    "price_per_joule": ("joules", "capped"),
    "energy_budget_w": ("joules",),
    "power_cap_w": ("capped",),
}
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
        "with joules, or capped: what a joule above idle costs, in accuracy of a frame",
        Range(0, MOST_PRICE),
    )
    energy_budget_w: float = option(
        0.0,
        "with joules: in place of a price, what all devices should draw (W); everybody is served first",
        Range(0, MOST_W),
    )

    power_cap_w: str = option(
        "",
        "with capped: the most that all devices may draw together (W), or DEVICE=W,... for some; whoever cannot be served so is not",
        metavar="W",
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.objective not in OBJECTIVES:
            raise ValueError(
                f"objective={echo(self.objective)}: must be one of {', '.join(OBJECTIVES)}"
            )
        if self.objective == "joules" and bool(self.price_per_joule) == bool(self.energy_budget_w):
            raise ValueError("objective=joules: takes either price_per_joule or energy_budget_w")
        if self.objective == "capped":
            if not self.power_cap_w:
                raise ValueError("objective=capped: takes power_cap_w")
            PowerCaps.parse(self.power_cap_w)
        for name, among in ONLY_WITH.items():
            if getattr(self, name) and self.objective not in among:
                raise ValueError(
                    f"{name}={getattr(self, name)}: only with objective {' or '.join(among)}"
                )

    @property
    def counts_joules(self) -> bool:
        """Whether energy counts, and clocks are chosen."""
        return self.objective != "accuracy"

    def check_chooses_clocks(self, planner: str) -> None:
        """Raises ValueError if a planner of that name cannot plan for this."""
        if self.counts_joules and planner not in JOULE_PLANNERS:
            raise ValueError(
                f"objective={self.objective}: planner {planner} chooses no clocks; "
                f"{', '.join(JOULE_PLANNERS)} do"
            )

    def check_tables(self, tables: Mapping[str, ModeTable | None]) -> None:
        """Raises ValueError if a device, by id, has no table of energy and that counts, or its cap is below its idle power."""
        if not self.counts_joules:
            return
        known = {name: table for name, table in tables.items() if table and table.knows_joules}
        for device_id in tables.keys() - known.keys():
            raise ValueError(
                f"objective={self.objective}: device {device_id} has no table of energy and idle power"
            )
        if self.objective == "capped":
            caps = PowerCaps.parse(self.power_cap_w)
            for device_id in caps.device_w.keys() - tables.keys():
                raise ValueError(
                    f"power_cap_w={echo(self.power_cap_w)}: there is no device {device_id}"
                )
            caps.check(known)

    def make_objective(self) -> Objective:
        """Returns what is asked for."""
        if self.objective == "accuracy":
            return Accuracy()
        from .capped import Capped  # noqa: PLC0415 - loads numpy
        from .joules import Joules  # noqa: PLC0415 - likewise

        if self.objective == "capped":
            return Capped(PowerCaps.parse(self.power_cap_w), self.price_per_joule)

        return Joules(self.price_per_joule, self.energy_budget_w or None)
