"""The budget rules by name."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.budget import FULL_BUDGET, BudgetRule, FixedFrameBudget, SplitBudget
from ..core.checks import echo
from ..core.variant import Variant

NAMES = ("full", "fixed:SIDE", "split")
DEFAULT_BUDGET_RULE = "full"


def check_budget_rule(name: str) -> str:
    """Returns the name of a rule if there is one.

    Raises:
        ValueError: listing the names there are.
    """
    if name not in ("full", "split") and _fixed_px(name) is None:
        raise ValueError(f"budget_rule={echo(name)}: must be one of {', '.join(NAMES)}")
    return name


def budget_rule(name: str, variants: Sequence[Variant]) -> BudgetRule:
    """Returns the rule of that name for a zoo.

    Raises:
        ValueError: if there is none, or the zoo has no such side.
    """
    check_budget_rule(name)
    side_px = _fixed_px(name)
    if side_px is not None:
        kbits = [one.frame_kbits for one in variants if one.input_side_px == side_px]
        if not kbits:
            raise ValueError(f"budget_rule={echo(name)}: the zoo has no side of {side_px} px")
        return FixedFrameBudget(max(kbits))
    return SplitBudget() if name == "split" else FULL_BUDGET


def _fixed_px(name: str) -> int | None:
    """The side of `fixed:SIDE`; None for anything else."""
    kind, _, side = name.partition(":")
    is_side = kind == "fixed" and side.isascii() and side.isdigit() and 1 <= len(side) <= 4  # noqa: PLR2004
    return int(side) if is_side and int(side) else None
