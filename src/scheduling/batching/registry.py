"""The batchers by name."""

from __future__ import annotations

from ...core.checks import echo
from .deadline import DeadlineBatcher
from .fixed import FixedBatcher
from .interval import IntervalBatcher
from .port import Batcher

NAMES = ("deadline", "fixed:FRAMES", "interval:MILLISECONDS")


def batcher(name: str) -> Batcher:
    """Returns a fresh batcher: `deadline`, `fixed:8` for a size, `interval:20` for milliseconds.

    Raises:
        ValueError: listing the names there are, or naming a bad number.
    """
    kind, _, number = name.partition(":")
    try:
        if name == "deadline":
            return DeadlineBatcher()
        if kind == "fixed":
            return FixedBatcher(int(number))
        if kind == "interval":
            return IntervalBatcher(float(number))
    except ValueError as error:
        raise ValueError(f"batcher={echo(name)}: {error}") from error
    raise ValueError(f"batcher={echo(name)}: must be one of {', '.join(NAMES)}")
