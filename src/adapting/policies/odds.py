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

    def within_ratio(self, predicted_ms: float, within_ms: Sequence[float]) -> float:
        """The share of frames that take no longer than this, 0 to 1.

        Args:
            predicted_ms: what the estimate promises.
            within_ms: times that there may be, at least one, each as probable.
        """
        ratios, num_ratios = self._sorted, len(self._sorted)
        total = 0.0
        for limit_ms in within_ms:
            if limit_ms >= 0:
                ratio = (limit_ms + GRACE_MS) / (predicted_ms + GRACE_MS)
                total += bisect_right(ratios, ratio) / num_ratios
        return total / len(within_ms)

    def _forget(self) -> None:
        oldest = self._recent.popleft()
        del self._sorted[bisect_right(self._sorted, oldest) - 1]
