"""The budget rules by name."""

from __future__ import annotations

from collections.abc import Sequence

from .budget import FULL_BUDGET, BudgetRule, ElasticBudget, FixedFrameBudget, SplitBudget
from .checks import echo
from .variant import Variant

NAMES = ("full", "elastic:PERCENT", "fixed:SIDE", "split")
DEFAULT_BUDGET_RULE = "elastic:70"
_MOST = {"elastic": 100, "fixed": 4096}


def check_budget_rule(name: str) -> str:
    """Returns the name of a rule if there is one.

    Raises:
        ValueError: listing the names there are.
    """
    if name not in ("full", "split") and _number(name) is None:
        raise ValueError(f"budget_rule={echo(name)}: must be one of {', '.join(NAMES)}")
    return name


def budget_rule(name: str, variants: Sequence[Variant]) -> BudgetRule:
    """Returns the rule of that name for a zoo.

    Raises:
        ValueError: if there is none, or the zoo has no such side.
    """
    check_budget_rule(name)
    number = _number(name)
    if number is None:
        return SplitBudget() if name == "split" else FULL_BUDGET
    if name.startswith("elastic:"):
        return ElasticBudget(number / 100)
    kbits = [one.frame_kbits for one in variants if one.input_side_px == number]
    if not kbits:
        raise ValueError(f"budget_rule={echo(name)}: the zoo has no side of {number} px")
    return FixedFrameBudget(max(kbits))


def _number(name: str) -> int | None:
    """The number of `elastic:PERCENT` or `fixed:SIDE`, in its range; None for anything else."""
    kind, _, digits = name.partition(":")
    most = _MOST.get(kind, 0)
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))
    return int(digits) if is_number and 1 <= int(digits) <= most else None
