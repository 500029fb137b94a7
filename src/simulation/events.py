"""The events of a run, in the order of (time, priority, sequence)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from enum import IntEnum
from itertools import count


class Priority(IntEnum):
    """What comes first of what happens at the same time.

    Whatever makes room comes before whatever takes it, and both before decisions, so that these see
    the whole of their moment.
    """

    DONE = 0  # a batch ends, an answer or an ack arrives
    ARRIVAL = 1  # a frame is captured, encoded, or reaches the server
    DECISION = 2  # a device or the scheduler decides
    TIMEOUT = 3  # a frame is given up


class EventQueue:
    """Calls what is due, and moves the clock. Events of equal time and priority go in the order of entry.

    Attributes:
        now_ms: the virtual time.
    """

    def __init__(self) -> None:
        """Starts at time 0, empty."""
        self._heap: list[tuple[float, int, int, Callable[..., None], tuple[object, ...]]] = []
        self._sequence = count()
        self.now_ms = 0.0

    def __len__(self) -> int:
        return len(self._heap)

    def at(
        self, at_ms: float, priority: Priority, action: Callable[..., None], *arguments: object
    ) -> None:
        """Has `action(*arguments)` called at a time, which must not be past.

        Raises:
            ValueError: if it is past, or no time.
        """
        if not at_ms >= self.now_ms:
            raise ValueError(f"at_ms={at_ms:g}: must not be before {self.now_ms:g}")
        heapq.heappush(self._heap, (at_ms, priority, next(self._sequence), action, arguments))

    def run_until(self, end_ms: float) -> None:
        """Calls everything that is due until a time, that included, and whatever that brings about."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= end_ms:
            self.now_ms, _, _, action, arguments = pop(heap)
            action(*arguments)
