"""What a server and its simulation are asked alike: one default, one range, one line of help for each."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.budget_rules import DEFAULT_BUDGET_RULE, check_budget_rule
from ..core.limits import Range
from ..core.options import option
from .batching.registry import batcher
from .planning.objectives.registry import ObjectiveOptions
from .planning.registry import DEFAULT_PLANNER, check_planner
from .planning.switching import DEFAULT_COST_RATIO

DEFAULT_MAX_BATCH_SIZE = 12  # profiles are made for as many


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
