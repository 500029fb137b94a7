"""Keeps each stream's advice fresh."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...core.advice import NO_ADVICE, SideAdvice
from ...core.budget import BudgetRule
from ...core.stream import Stream
from ...core.variant import Variant
from ..plan_view import RunningVariant
from .advice import advised_variant

FRESH_MS = 20.0  # advice moves with the link, which is measured over a second


@dataclass(slots=True)
class Advice:
    """What a stream is told; worked out at `at_ms`, for what ran it then."""

    sides: SideAdvice = NO_ADVICE
    at_ms: float = -math.inf
    running: RunningVariant | None = None


class AdvisedStream(Protocol):
    """A stream that gets advice."""

    @property
    def advice(self) -> Advice:
        """The newest advice; the adviser's own to change."""
        ...

    def planned(self, now_ms: float) -> Stream:
        """The stream as planning sees it."""
        ...


class Adviser:
    """Works out advice between plans, from the newest link estimate."""

    def __init__(self, variants: Sequence[Variant], rule: BudgetRule) -> None:
        self._variants = tuple(variants)
        self._rule = rule
        self._smallest_px = min(variant.input_side_px for variant in variants)

    def sides(
        self,
        stream: AdvisedStream,
        running: RunningVariant | None,
        overhead_ms: float,
        now_ms: float,
    ) -> SideAdvice:
        """What to tell a stream; the smallest side while it is served nowhere.

        Args:
            stream: whose frames it is about.
            running: what serves it.
            overhead_ms: what the server spends on a frame besides queueing and running it.
            now_ms: the time.
        """
        advice = stream.advice
        if advice.running is running and now_ms - advice.at_ms < FRESH_MS:
            return advice.sides
        if running is None:
            advice.sides = SideAdvice(self._smallest_px)
        else:
            advised = advised_variant(
                self._variants,
                stream.planned(now_ms),
                self._rule,
                overhead_ms,
                running.variant,
                running.batch_p99_ms,
            )
            advice.sides = SideAdvice(
                self._variants[advised].input_side_px,
                self._variants[running.variant].input_side_px,
            )
        advice.at_ms, advice.running = now_ms, running
        return advice.sides
