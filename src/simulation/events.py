"""The events of a run, in the order of (time, priority, sequence)."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Final


class Priority:
    """What comes first of what happens at the same time.

    Whatever makes room comes before whatever takes it, and both before decisions, so that these see
    the whole of their moment. Plain numbers, as an enumeration takes longer to read than an event to enter.
    """

    DONE: Final = 0  # a batch ends, an answer or an ack arrives
    ARRIVAL: Final = 1  # a frame is captured, encoded, or reaches the server
    DECISION: Final = 2  # a device or the scheduler decides
    TIMEOUT: Final = 3  # a frame is given up


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
        self, at_ms: float, priority: int, action: Callable[..., None], *arguments: object
    ) -> None:
        """Has `action(*arguments)` called at a time, which must not be past.

        Raises:
            ValueError: if it is past, or no time.
        """
        if not at_ms >= self.now_ms:
            raise ValueError(f"at_ms={at_ms:g}: must not be before {self.now_ms:g}")
        heappush(self._heap, (at_ms, priority, next(self._sequence), action, arguments))

    def run_until(self, end_ms: float) -> None:
        """Calls everything that is due until a time, that included, and whatever that brings about."""
        heap = self._heap
        while heap and heap[0][0] <= end_ms:
            self.now_ms, _, _, action, arguments = heappop(heap)
            action(*arguments)
