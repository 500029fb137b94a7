"""Holds streams to what they declared."""

from __future__ import annotations

import math
from collections import deque

MIN_BURST_FRAMES = 8.0
BURST_MS = 1000.0
EXCESS_LIMIT_MS = 5000.0
EXCESS_PAUSE_MS = 1000.0
MAX_BAD_FRAMES = 50
BAD_WINDOW_MS = 10_000.0


class TokenBucket:
    """Lets through what keeps to a rate, after a burst."""

    def __init__(self, tokens_per_s: float, burst: float, now_ms: float) -> None:
        """Starts full.

        Args:
            tokens_per_s: what may go through in the long run; infinite for all.
            burst: what may go through at once.
            now_ms: when it starts.
        """
        self._tokens_per_ms = tokens_per_s / 1000.0
        self._burst = burst
        self._tokens = burst
        self._filled_ms = now_ms

    def takes(self, now_ms: float, amount: float = 1.0) -> bool:
        """Whether what comes now may go through; what may not takes nothing."""
        if self._tokens_per_ms == math.inf:
            return True
        tokens = self._tokens + (now_ms - self._filled_ms) * self._tokens_per_ms
        tokens = tokens if tokens < self._burst else self._burst
        self._filled_ms = now_ms
        is_within = tokens >= amount
        self._tokens = tokens - amount if is_within else tokens
        return is_within

    def is_full(self, now_ms: float) -> bool:
        """Whether a burst may come."""
        if self._tokens_per_ms == math.inf:
            return True
        return self._tokens + (now_ms - self._filled_ms) * self._tokens_per_ms >= self._burst


class RatePolicer(TokenBucket):
    """The declared rate of a stream with some tolerance, and a burst.

    After a stall of the link, frames that were under way arrive together; so one second's worth, and
    at least 8 frames, may come at once.
    """

    def __init__(self, fps: float, tolerance_ratio: float, now_ms: float) -> None:
        most_fps = fps * tolerance_ratio
        super().__init__(most_fps, max(MIN_BURST_FRAMES, most_fps * BURST_MS / 1000.0), now_ms)
        self._excess_since_ms = self._excess_last_ms = -EXCESS_LIMIT_MS

    def takes(self, now_ms: float, amount: float = 1.0) -> bool:
        """Whether a frame that arrives now is within the rate."""
        if super().takes(now_ms, amount):
            return True
        if now_ms - self._excess_last_ms > EXCESS_PAUSE_MS:
            self._excess_since_ms = now_ms
        self._excess_last_ms = now_ms
        return False

    @property
    def is_incurable(self) -> bool:
        """Whether the excess has gone on for 5 s."""
        return self._excess_last_ms - self._excess_since_ms >= EXCESS_LIMIT_MS


class BadFrameCounter:
    """Tells when a stream sends too much that is wrong: more than 50 frames in 10 s."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MAX_BAD_FRAMES + 1)

    def add(self, now_ms: float) -> bool:
        """Counts one; returns whether that is too many."""
        self._times.append(now_ms)
        return len(self._times) > MAX_BAD_FRAMES and now_ms - self._times[0] <= BAD_WINDOW_MS
