"""Clocks: monotonic milliseconds."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells monotonic time. Only differences of two readings of one machine mean anything."""

    def now_ms(self) -> float:
        """Milliseconds since an arbitrary, fixed instant; never falls."""
        ...


class MonotonicClock:
    """The machine's monotonic clock, the same for every process on it."""

    def now_ms(self) -> float:
        """Milliseconds since an arbitrary instant, shared by the processes of one machine."""
        return time.monotonic_ns() / 1e6
