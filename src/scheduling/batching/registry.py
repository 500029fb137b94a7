"""The batchers by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...core.checks import echo, require_positive
from .baselines import FixedBatcher, IntervalBatcher
from .deadline import DeadlineBatcher
from .fair_share import FairShareBatcher
from .loudva import LoudVABatcher
from .port import Batcher

NAMES = ("deadline", "patient", "fair", "loudva", "fixed:FRAMES", "interval:MILLISECONDS")
MAX_BATCH_SIZE = 256
MAX_INTERVAL_MS = 60_000.0
NO_WEIGHTS: Mapping[str, int] = MappingProxyType({})


def batcher(name: str, weights: Mapping[str, int] = NO_WEIGHTS) -> Batcher:
    """Returns a fresh batcher: `deadline`, `patient`, `fair`, `loudva`, `fixed:8` for a size, `interval:20` for milliseconds.

    `weights` are those of tenants, which may change at any time; who is not there has that of priority 0.

    Raises:
        ValueError: listing the names there are, or naming a bad number.
    """
    kind, _, number = name.partition(":")
    if name in ("deadline", "patient"):
        return DeadlineBatcher(is_patient=name == "patient")
    if name == "fair":
        return FairShareBatcher(weights)
    if name == "loudva":
        return LoudVABatcher()
    if kind == "fixed":
        if not (number.isascii() and number.isdigit() and 0 < int(number[:9]) <= MAX_BATCH_SIZE):
            raise ValueError(
                f"batcher={echo(name)}: fixed:FRAMES takes a whole number from 1 to {MAX_BATCH_SIZE}"
            )
        return FixedBatcher(int(number))
    if kind == "interval":
        try:
            return IntervalBatcher(require_positive("interval_ms", float(number), MAX_INTERVAL_MS))
        except ValueError:
            raise ValueError(
                f"batcher={echo(name)}: interval:MILLISECONDS takes a number above 0 and at most "
                f"{MAX_INTERVAL_MS:g}"
            ) from None
    raise ValueError(f"batcher={echo(name)}: must be one of {', '.join(NAMES)}")
