"""How far the link falls short of what its estimate promised: the odds that a frame comes through."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence

MAX_FRAMES = 300  # 20 s at 15 frame/s
GRACE_MS = 2.0
"""Added to both times: what timers and threads take weighs little beside a long transmission."""
FIRST_RATIOS = (*[1.0] * 16, 1.1, 1.2, 1.5, 2.0)
"""Held for true before anything is known: an estimate is 10 % short now and then, seldom half."""
MOST_DISPLACED = 4
"""By one frame: a link that stands still for longer would displace frames whatever the size of this one."""


class ArrivalOdds:
    """The distribution of transmission times over those predicted when the frames were sent.

    It is drawn from the stream's own last frames, so it holds for whichever estimator predicts, and
    covers what that one does not see coming: a link that changes under a frame, and the lag after.
    """

    def __init__(self) -> None:
        """Starts with a guess that frames replace one by one."""
        self._recent: deque[float] = deque(FIRST_RATIOS)
        self._sorted = sorted(FIRST_RATIOS)

    def add(self, predicted_ms: float, actual_ms: float) -> None:
        """Takes in a frame that has left the link; times of at least 0, without wire delay."""
        if len(self._recent) == MAX_FRAMES:
            self._forget()
        ratio = (actual_ms + GRACE_MS) / (predicted_ms + GRACE_MS)
        self._recent.append(ratio)
        insort(self._sorted, ratio)

    def within_ratio(
        self, predicted_ms: float, within_ms: float, taken_ms: Sequence[float] = (0.0,)
    ) -> float:
        """The share of frames that take no longer than this, 0 to 1.

        Args:
            predicted_ms: what the estimate promises.
            within_ms: what there is for that, and for something else.
            taken_ms: times that this may take, at least one, shortest first, each as probable.
        """
        ratios, num_ratios = self._sorted, len(self._sorted)
        promised_ms = predicted_ms + GRACE_MS
        limit_ms = within_ms - taken_ms[-1]
        if limit_ms >= 0 and (limit_ms + GRACE_MS) / promised_ms >= ratios[-1]:
            return 1.0  # even so, and as a rule
        total = 0.0
        for one_ms in taken_ms:
            limit_ms = within_ms - one_ms
            if limit_ms >= 0:
                total += bisect_right(ratios, (limit_ms + GRACE_MS) / promised_ms) / num_ratios
        return total / len(taken_ms)

    def displaced(self, predicted_ms: float, free_ms: float, period_ms: float) -> float:
        """The expected number of later frames that one displaces: newer ones come while they wait for the link.

        The first to be captured while the link is held waits; it is displaced when the second one is, and so on. Never
        falls when the predicted time or the rate of frames rises.

        Args:
            predicted_ms: what the estimate promises.
            free_ms: until the next frame is captured, less what else of this one it would wait for; may be below 0.
            period_ms: between two frames.
        """
        ratios, promised_ms = self._sorted, predicted_ms + GRACE_MS
        most_ms, until_ms = promised_ms * ratios[-1], free_ms + GRACE_MS
        num_displaced = 0
        for _ in range(MOST_DISPLACED):
            until_ms += period_ms
            if most_ms <= until_ms:
                break  # as a rule at once
            num_displaced += len(ratios) - bisect_right(ratios, until_ms / promised_ms)
        return num_displaced / len(ratios)

    def _forget(self) -> None:
        oldest = self._recent.popleft()
        del self._sorted[bisect_right(self._sorted, oldest) - 1]
