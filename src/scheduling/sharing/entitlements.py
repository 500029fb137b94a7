"""What tenants are entitled to beside each other, where not all that they want fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...core.checks import require_count, require_positive
from .weights import weight_of

MOST_WEIGHT = 1_000_000
ROUNDING_RATIO = 1e-9
LEAST_LEFT_RATIO = 1e-3
"""Of a device, for tenants to whom nothing is promised, whatever is promised to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """What one tenant is entitled to.

    Attributes:
        priority: -20 (highest) to 19, which stands for a weight as Linux's nice levels do; None for 0.
        weight: in its place: its part of device time against those of others, 1024 at priority 0.
        min_fps: frames a second of its streams that are served before anything of others that is beyond theirs.
        min_share_ratio: likewise, the part of the server that they may need.
    """

    priority: int | None = None
    weight: int | None = None
    min_fps: float | None = None
    min_share_ratio: float | None = None

    def __post_init__(self) -> None:
        if self.priority is not None and self.weight is not None:
            raise ValueError(f"weight={self.weight}: must not stand beside priority, which says it")
        if self.weight is not None:
            require_count("weight", self.weight, MOST_WEIGHT)
        weight_of(self.priority or 0)
        if self.min_fps is not None:
            require_positive("min_fps", self.min_fps)
        if self.min_share_ratio is not None:
            require_positive("min_share_ratio", self.min_share_ratio, 1.0)

    @property
    def total_weight(self) -> int:
        """Its weight, whichever way it was said."""
        return weight_of(self.priority or 0) if self.weight is None else self.weight


Entitlements = Mapping[str, Entitlement]
"""By tenant; who is not there has what an empty one says."""

PLAIN = Entitlement()


def weights_of(entitlements: Entitlements) -> dict[str, int]:
    """The weight of each tenant in batches: raised where it is less than its promised share of all of them together."""
    least = {
        name: (1 - LEAST_LEFT_RATIO) * (one.min_share_ratio or 0.0)
        for name, one in entitlements.items()
    }
    weights = {name: one.total_weight for name, one in entitlements.items()}
    raised: set[str] = set()
    while True:
        free = sum(weight for name, weight in weights.items() if name not in raised)
        total = free / (1 - sum(least[name] for name in raised))
        short = {name for name in weights.keys() - raised if weights[name] < least[name] * total}
        if not short:
            return {
                name: round(least[name] * total) if name in raised else weight
                for name, weight in weights.items()
            }
        raised |= short


def check_floors(entitlements: Iterable[Entitlement]) -> None:
    """Raises ValueError if shares that are promised are more than there is."""
    total = sum(one.min_share_ratio or 0.0 for one in entitlements)
    if total > 1 + ROUNDING_RATIO:
        raise ValueError(f"tenants: min_share_ratio: {total:g} in all: must be at most 1")
