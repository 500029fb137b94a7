"""Which input side each stream should send next."""

from __future__ import annotations

from collections.abc import Callable

from ...scheduling.advice import advised_variant
from ...scheduling.plan_view import PlanView
from ..zoo import ServedZoo
from .session import Session

FRESH_MS = 20.0  # advice moves with the link, which is measured over a second


class Adviser:
    """Works out advice between plans, from the newest link estimate."""

    def __init__(
        self, zoo: ServedZoo, plan: Callable[[], PlanView], overhead_ms: Callable[[], float]
    ) -> None:
        self._zoo = zoo
        self._plan = plan
        self._overhead_ms = overhead_ms

    def side_px(self, session: Session, now_ms: float) -> int:
        """The advised side; the smallest while the stream is served nowhere."""
        plan = self._plan()
        if session.advised_epoch == plan.epoch and now_ms - session.advised_ms < FRESH_MS:
            return session.advised_side_px
        running = plan.serving(session.stream_id)
        if running is None:
            side_px = min(variant.input_side_px for variant in self._zoo.variants)
        else:
            advised = advised_variant(
                self._zoo.variants,
                session.client(now_ms),
                self._overhead_ms(),
                running.variant,
                running.batch_p99_ms,
            )
            side_px = self._zoo.variants[advised].input_side_px
        session.advised_side_px = side_px
        session.advised_ms, session.advised_epoch = now_ms, plan.epoch
        return side_px
