"""Keeps each stream's advice fresh."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.problem import Client
from ..core.variant import Variant
from .advice import advised_variant
from .plan_view import PlanView

FRESH_MS = 20.0  # advice moves with the link, which is measured over a second


@dataclass(slots=True)
class Advice:
    """What a stream should send; worked out at `at_ms`, by plan `epoch`."""

    side_px: int = 0
    at_ms: float = -math.inf
    epoch: int = -1


class AdvisedStream(Protocol):
    """A stream that gets advice."""

    @property
    def stream_id(self) -> str:
        """Its name."""
        ...

    @property
    def advice(self) -> Advice:
        """The newest advice; the adviser's own to change."""
        ...

    def client(self, now_ms: float) -> Client:
        """The stream as planning sees it."""
        ...


class Adviser:
    """Works out advice between plans, from the newest link estimate."""

    def __init__(
        self,
        variants: Sequence[Variant],
        plan: Callable[[], PlanView],
        overhead_ms: Callable[[], float],
    ) -> None:
        self._variants = tuple(variants)
        self._smallest_px = min(variant.input_side_px for variant in variants)
        self._plan = plan
        self._overhead_ms = overhead_ms

    def served_px(self, stream_id: str) -> int:
        """The side of the variant that runs for a stream; 0 while nothing does."""
        running = self._plan().serving(stream_id)
        return 0 if running is None else self._variants[running.variant].input_side_px

    def side_px(self, stream: AdvisedStream, now_ms: float) -> int:
        """The advised side; the smallest while the stream is served nowhere."""
        plan, advice = self._plan(), stream.advice
        if advice.epoch == plan.epoch and now_ms - advice.at_ms < FRESH_MS:
            return advice.side_px
        running = plan.serving(stream.stream_id)
        if running is None:
            advice.side_px = self._smallest_px
        else:
            advised = advised_variant(
                self._variants,
                stream.client(now_ms),
                self._overhead_ms(),
                running.variant,
                running.batch_p99_ms,
            )
            advice.side_px = self._variants[advised].input_side_px
        advice.at_ms, advice.epoch = now_ms, plan.epoch
        return advice.side_px
