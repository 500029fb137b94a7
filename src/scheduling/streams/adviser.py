"""Advice between plans: which input side a stream should send next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from ...core.advice import SideAdvice
from ...core.budget import BudgetRule
from ...core.profile import BatchLatency
from ...core.stream import Stream
from ...core.variant import Variant
from ..plan_view import RunningVariant
from .observed_stream import ObservedStream

FRESH_MS = 20.0  # advice moves with the link, which is measured over a second
_advice = lru_cache(maxsize=1024)(SideAdvice)  # a zoo has few sides


class Adviser:
    """Works out advice from the newest link estimate.

    The device goes on running its variant and resizes; only the size that travels becomes smaller.

    Source: Jellyfish, the next DNN sent with each response.
    """

    def __init__(self, variants: Sequence[Variant], rule: BudgetRule) -> None:
        """Takes the variants, in any order, and the server's budget rule."""
        self._variants = tuple(variants)
        self._rule = rule
        self._smallest_px = min(variant.input_side_px for variant in variants)

    def sides(
        self,
        stream: ObservedStream,
        running: RunningVariant | None,
        overhead_ms: float,
        now_ms: float,
    ) -> SideAdvice:
        """What to tell a stream; the smallest side while it is served nowhere.

        Args:
            stream: whose frames it is about; keeps the advice while that is fresh.
            running: what serves it.
            overhead_ms: what the server spends on a frame besides queueing and running it.
            now_ms: the time.
        """
        if stream.advised_for is running and now_ms - stream.advised_ms < FRESH_MS:
            return stream.advice
        if running is None:
            stream.advice = _advice(self._smallest_px)
        else:
            advised = self.variant(stream.planned(now_ms), running, overhead_ms)
            stream.advice = _advice(
                self._variants[advised].input_side_px,
                self._variants[running.variant].input_side_px,
            )
        stream.advised_ms, stream.advised_for = now_ms, running
        return stream.advice

    def first_sides(
        self,
        stream: ObservedStream,
        latency: Callable[[int], BatchLatency | None],
        overhead_ms: float,
        now_ms: float,
    ) -> SideAdvice:
        """What to tell a stream that the plan does not know yet: the largest side that would be in time on an idle device.

        Which variant will run for it is not known.
        """
        planned = stream.planned(now_ms)
        sides_px = [
            one.input_side_px
            for index, one in enumerate(self._variants)
            if (known := latency(index)) is not None
            and self._rule.budget_ms(planned, one.frame_kbits, overhead_ms) >= 2 * known.p99_ms[0]
        ]
        return _advice(max(sides_px, default=self._smallest_px))

    def variant(self, stream: Stream, running: RunningVariant, overhead_ms: float) -> int:
        """The variant of the largest side, up to the running one's, whose frames come in time.

        Where no side's frames come in time, the smallest is advised.
        """

        def is_in_time(index: int) -> bool:
            kbits = self._variants[index].frame_kbits
            return self._rule.budget_ms(stream, kbits, overhead_ms) >= 2 * running.batch_p99_ms

        if is_in_time(running.variant):
            return running.variant  # as a rule, and then there is nothing to sort
        sides_px = [variant.input_side_px for variant in self._variants]
        by_side = sorted(
            (index for index, px in enumerate(sides_px) if px <= sides_px[running.variant]),
            key=lambda index: (-sides_px[index], index != running.variant),
        )
        return next(filter(is_in_time, by_side), by_side[-1])
