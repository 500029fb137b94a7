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

    def _forget(self) -> None:
        oldest = self._recent.popleft()
        del self._sorted[bisect_right(self._sorted, oldest) - 1]
