"""The adaptation policies by name, each a rule for clients and the server's budget rule with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...core.budget_rules import DEFAULT_BUDGET_RULE
from ...core.checks import echo
from .advised import AdvisedSide
from .aggressive import AggressiveBackoff
from .best import BestBackoff
from .fixed import FixedSide
from .ladder import LadderPolicy
from .port import Policy
from .rungs import DEFAULT_LADDER
from .server_independent import ServerIndependent
from .slo_split import SloSplit

DEFAULT_POLICY = "ladder"
MAX_SIDE_PX = 4096


@dataclass(frozen=True, slots=True)
class _Entry:
    """A policy: how a stream gets its own, and the server's budget rule that belongs to it."""

    make: Callable[[], Policy]
    budget_rule: str = "full"


_POLICIES: dict[str, _Entry] = {
    "best": _Entry(BestBackoff),
    "aggressive": _Entry(AggressiveBackoff),
    "server-independent": _Entry(ServerIndependent),
    "slo-split": _Entry(SloSplit, "split"),
    "none": _Entry(AdvisedSide),
}
NAMES = ("ladder", *_POLICIES, "fixed:SIDE")


def policy(name: str, ladder: Sequence[str] = DEFAULT_LADDER) -> Policy:
    """Returns a fresh policy for one stream.

    Args:
        name: one of `NAMES`; `fixed:352` for a side.
        ladder: of the policy `ladder`, as `rungs.parse_ladder` takes it; others have none.

    Raises:
        ValueError: listing the names there are, or naming a rung that is none.
    """
    return _entry(name, ladder).make()


def budget_rule(name: str) -> str:
    """The server's budget rule that belongs to a policy, as `ServerConfig.budget_rule` takes it.

    Raises:
        ValueError: listing the names there are.
    """
    return _entry(name, DEFAULT_LADDER).budget_rule


def check_policy(name: str) -> str:
    """Returns the name of a policy if there is one.

    Raises:
        ValueError: listing the names there are.
    """
    _entry(name, DEFAULT_LADDER)
    return name


def _entry(name: str, ladder: Sequence[str]) -> _Entry:
    if name == "ladder":
        return _Entry(lambda: LadderPolicy(ladder), DEFAULT_BUDGET_RULE)
    kind, _, side = name.partition(":")
    if kind == "fixed" and side.isascii() and side.isdigit() and 0 < int(side) <= MAX_SIDE_PX:
        return _Entry(lambda: FixedSide(int(side)), name)
    if name not in _POLICIES:
        raise ValueError(f"policy={echo(name)}: must be one of {', '.join(NAMES)}")
    return _POLICIES[name]
