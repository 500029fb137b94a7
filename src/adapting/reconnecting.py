"""When a client asks a server again for a session: pure, durations in and out."""

from __future__ import annotations

FIRST_WAIT_MS = 200.0
LAST_WAIT_MS = 1000.0
FIRST_TAKEN_WAIT_MS = 1000.0
LAST_TAKEN_WAIT_MS = 30_000.0
TAKEN_FORGOTTEN_MS = 60_000.0
"""A session that lasted this long was not fought over."""
MAX_ADVISED_MS = 60_000.0
"""The longest wait that a server's advice can make."""


class Reconnecting:
    """How long a stream waits before it asks for a session, the next time or again.

    A server that is gone is asked soon and then every second. A stream whose id somebody else registered gives him
    time: two cameras of one id by mistake would otherwise take the place from each other for ever.

    Attributes:
        num_taken: sessions that were lost because somebody registered the same id.
    """

    def __init__(self) -> None:
        """Starts without any failure."""
        self.num_taken = 0
        self._num_failures = 0
        self._num_taken_in_row = 0

    def on_failure(self, advised_ms: float = 0.0, most_ms: float = MAX_ADVISED_MS) -> float:
        """Asking failed, or was refused.

        Args:
            advised_ms: when to ask again, as the server says.
            most_ms: the longest that its advice is followed; no less than it takes without.

        Returns:
            The wait (ms).
        """
        self._num_failures += 1
        advised_ms = advised_ms if advised_ms > 0 else 0.0  # nor if it is no number
        return max(self._wait_ms, min(advised_ms, most_ms, MAX_ADVISED_MS))

    def on_loss(self, has_worked: bool) -> float:
        """A session was lost; returns the wait (ms).

        Args:
            has_worked: whether a frame was acknowledged in it.
        """
        self._num_failures = 1 if has_worked else self._num_failures + 1
        return self._wait_ms

    def on_taken(self, lasted_ms: float) -> float:
        """A session ended after that time, as somebody registered the same id; returns the wait (ms)."""
        self.num_taken += 1
        is_first = lasted_ms >= TAKEN_FORGOTTEN_MS
        self._num_taken_in_row = 1 if is_first else self._num_taken_in_row + 1
        self._num_failures = 1
        return _doubling_ms(FIRST_TAKEN_WAIT_MS, LAST_TAKEN_WAIT_MS, self._num_taken_in_row)

    @property
    def _wait_ms(self) -> float:
        return _doubling_ms(FIRST_WAIT_MS, LAST_WAIT_MS, self._num_failures)


def _doubling_ms(first_ms: float, last_ms: float, number: int) -> float:
    return min(last_ms, first_ms * 2.0 ** min(number - 1, 16))
