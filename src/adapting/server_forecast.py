"""What a client expects the server to take for its next frame."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

WEIGHT = 0.2
WAIT_RATIOS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of a batch that an urgent frame waits for, before it runs in the next one; each as probable."""
WAIT_GROWTH, WAIT_DECAY, MOST_WAIT = 1.3, 0.997, 3.0
"""Of those shares, when the server gives up a frame as too late, and when it answers one: at rest with about 1 %."""
RECENT_WAITS = 150
"""Frames of which the longest wait is what the next one waits at most: an urgent one goes before others."""


@dataclass(slots=True)
class ServerTimes:
    """What a server took for a frame.

    Attributes:
        busy_ms: from reading it to its result, without its wait for a batch.
        batch_ms: its batch.
        waited_ms: its wait for that; infinite if unknown.
    """

    busy_ms: float
    batch_ms: float
    waited_ms: float = math.inf

    @property
    def are_sound(self) -> bool:
        """Whether they are possible; a server may say what it likes."""
        is_possible = 0 <= self.busy_ms < math.inf and 0 <= self.batch_ms < math.inf
        return is_possible and not math.isnan(self.waited_ms)


class ServerForecast:
    """Learns from a stream's answers, and from the frames that were given up as too late.

    Attributes:
        taken_ms: times that the server may take for an urgent frame, shortest first, each as probable; empty at first.
    """

    def __init__(self) -> None:
        """Knows nothing yet."""
        self.taken_ms: Sequence[float] = ()
        self._mean: ServerTimes | None = None
        self._wait_factor = 1.0
        self._waits_ms = deque([math.inf], RECENT_WAITS)  # how long is not known at first

    def answered(self, times: ServerTimes) -> None:
        """Takes in a frame that was answered, of sound times."""
        before = self._mean or times
        busy_ms = before.busy_ms + WEIGHT * (times.busy_ms - before.busy_ms)
        batch_ms = before.batch_ms + WEIGHT * (times.batch_ms - before.batch_ms)
        self._mean = ServerTimes(busy_ms, batch_ms)
        wait_factor = WAIT_DECAY * self._wait_factor
        self._wait_factor = wait_factor if wait_factor > 1.0 else 1.0
        self._waits_ms.append(times.waited_ms if times.waited_ms > 0.0 else 0.0)
        self._foresee(self._mean)

    def gave_up(self) -> None:
        """A frame was given up because its time was over: it needs more than was left to it, nobody knows how much."""
        self._wait_factor = min(MOST_WAIT, WAIT_GROWTH * self._wait_factor)
        self._waits_ms.append(math.inf)
        if self._mean is not None:  # else nothing is known
            self._foresee(self._mean)

    def _foresee(self, mean: ServerTimes) -> None:
        wait_ms = self._wait_factor * mean.batch_ms
        longest_ms = max(self._waits_ms)
        self.taken_ms = [
            mean.busy_ms + (wait if (wait := ratio * wait_ms) < longest_ms else longest_ms)
            for ratio in WAIT_RATIOS
        ]
