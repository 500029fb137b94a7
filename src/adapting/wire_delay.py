"""The one-way delay of a link, from the round trips of small messages."""

from __future__ import annotations

from collections import deque

from ..core.checks import require_not_negative, require_positive

WINDOW_MS = 120_000.0


class WireDelay:
    """The least of the delays measured lately: whatever else happens to a message makes it slower.

    Messages wait behind frames, and for processes that are busy, so one alone says little.
    """

    def __init__(self, window_ms: float = WINDOW_MS) -> None:
        """Starts without a measurement.

        Args:
            window_ms: older ones are forgotten, so that a longer route is noticed.

        Raises:
            ValueError: if the window is not above 0.
        """
        self._window_ms = require_positive("window_ms", window_ms)
        self._delays: deque[tuple[float, float]] = deque()  # those that may yet be the least

    def add(self, one_way_ms: float, now_ms: float) -> float:
        """Takes in half a round trip, and returns the least of the window; times never fall.

        Raises:
            ValueError: if it is negative or not finite.
        """
        require_not_negative("one_way_ms", one_way_ms)
        while self._delays and self._delays[-1][1] >= one_way_ms:
            self._delays.pop()
        self._delays.append((now_ms, one_way_ms))
        while self._delays[0][0] < now_ms - self._window_ms:
            self._delays.popleft()
        return self._delays[0][1]
