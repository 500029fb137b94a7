"""What a server and its simulation are asked alike: one default, one range, one line of help for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.budget_rules import DEFAULT_BUDGET_RULE, check_budget_rule
from ..core.checks import echo
from ..core.limits import Range
from ..core.mode import ModeTable
from ..core.options import option
from .batching.registry import batcher
from .planning.objectives.registry import ONLY_WITH, ObjectiveOptions
from .planning.registry import DEFAULT_PLANNER, check_planner
from .planning.switching import DEFAULT_COST_RATIO

DEFAULT_MAX_BATCH_SIZE = 12  # profiles are made for as many
MHZ = Range(1, 1e5)
ONLY_WITH_OBJECTIVE = ONLY_WITH | {"clocks_mhz": ("joules", "capped")}
"""Option to the objectives with which it may be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions(ObjectiveOptions):
    """How devices are planned and their batches formed.

    Raises:
        ValueError: naming option, value and rule.
    """

    max_batch_size: int = option(
        DEFAULT_MAX_BATCH_SIZE, "largest batch that is planned, or run (frames)", Range(1, 256)
    )
    planner: str = option(DEFAULT_PLANNER, "planning algorithm")
    switching_cost_ratio: float = option(
        DEFAULT_COST_RATIO,
        "what loading a variant costs, relative to the accuracy its device then serves; a plan must gain more",
        Range(0, 1),
    )
    budget_rule: str = option(
        DEFAULT_BUDGET_RULE,
        "frames that planning reckons with: full (as the variant takes them), elastic:PERCENT (of their "
        "encoded size), fixed:SIDE, split (the server has 75 % of the SLO)",
    )
    plan_period_ms: float = option(500.0, "time between plans", Range(50, 60_000))
    batcher: str = option(
        "deadline",
        "how a device forms its batches: deadline, fair (between tenants), loudva, fixed:FRAMES, interval:MS",
    )
    loaded_variants: int = option(5, "variants that a device keeps loaded", Range(1, 256))
    no_parking: bool = option(
        False, "leave an idle device at the clock of its plan, until its next frame is near, too"
    )
    clocks_mhz: str = option(
        "",
        "with joules, or capped: the clocks that plans choose from, MHz with commas between (default: all that are profiled)",
        metavar="MHZ,...",
    )
    max_waiting_frames: int = option(
        32, "frames of one stream under way in the server at most", Range(1, 4096)
    )
    rate_tolerance_ratio: float = option(
        1.2, "frames a stream may send, over what it declared", Range(1, 1e12)
    )

    def __post_init__(self) -> None:
        ObjectiveOptions.__post_init__(self)
        check_planner(self.planner)
        self.check_chooses_clocks(self.planner)
        check_budget_rule(self.budget_rule)
        batcher(self.batcher)
        if self._clocks_mhz and not self.counts_joules:
            raise ValueError(
                f"clocks_mhz={echo(self.clocks_mhz)}: only with objective joules or capped"
            )

    @property
    def _clocks_mhz(self) -> tuple[float, ...]:
        if not self.clocks_mhz:
            return ()
        try:
            return tuple(
                MHZ.require("clocks_mhz", float(one)) for one in self.clocks_mhz.split(",")
            )
        except ValueError:
            rule = f"must be numbers from {MHZ} with commas between"
            raise ValueError(f"clocks_mhz={echo(self.clocks_mhz)}: {rule}") from None

    def check_tables(self, tables: Mapping[str, ModeTable | None]) -> None:
        """See `ObjectiveOptions`; raises ValueError too if a device has none of the clocks that plans are to choose from."""
        ObjectiveOptions.check_tables(self, tables)
        self.planned_tables(tables)

    def planned_tables(self, tables: Mapping[str, ModeTable | None]) -> dict[str, ModeTable]:
        """The tables, by device, that plans are made by: with the clocks that they may choose. Raises ValueError as above."""
        known = {name: table for name, table in tables.items() if table is not None}
        if not (self.counts_joules and self._clocks_mhz):
            return known
        try:
            return {name: table.only_at(self._clocks_mhz) for name, table in known.items()}
        except ValueError as error:
            raise ValueError(f"clocks_mhz={echo(self.clocks_mhz)}: {error}") from None
