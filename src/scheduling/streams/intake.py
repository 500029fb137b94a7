"""Which frames a server takes."""

from __future__ import annotations

import math

from ...core.verdict import Reason
from ..plan_view import RunningVariant

SPARE_FRAMES = 2


def frame_limit(fps: float, slo_ms: float) -> int:
    """Frames under way that a stream's rate can make within its SLO, and a few."""
    return SPARE_FRAMES + math.ceil(fps * slo_ms / 1000.0)


def reason_to_drop(
    left_ms: float, running: RunningVariant | None, num_under_way: int, limit: int
) -> Reason | None:
    """Returns why a frame that has just arrived should be given up; None to run it.

    Args:
        left_ms: until its detections must leave the executor.
        running: what serves its stream; None if nothing does.
        num_under_way: frames of its stream at executors.
        limit: most of those.
    """
    if left_ms < (running.first_answer_ms if running is not None else 0.0):
        return Reason.TOO_LATE
    if running is None:
        return Reason.NOT_PLACED
    if num_under_way >= limit:
        return Reason.QUEUE_FULL
    return None
