"""A clock for tests."""

from __future__ import annotations


class VirtualClock:
    """A clock that moves only when told to."""

    def __init__(self, now_ms: float = 0.0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> float:
        """The time last set."""
        return self._now_ms

    def advance_to(self, now_ms: float) -> None:
        """Moves to a later time.

        Raises:
            ValueError: if that time is past already.
        """
        if now_ms < self._now_ms:
            raise ValueError(f"now_ms={now_ms:g}: before {self._now_ms:g}; a clock never falls")
        self._now_ms = now_ms
