"""Ends a process whose batch does not end: a hung library cannot be waited for, or interrupted."""

from __future__ import annotations

import faulthandler
import time


class Watchdog:
    """Writes every thread's stack and exits with status 1, in a thread that needs no interpreter.

    It guards the running of batches alone. To begin and end a guard starts and joins a thread, which takes milliseconds on a busy core; so one
    guard serves for batches in a row, as long as it is long enough.
    """

    def __init__(self) -> None:
        """Rests."""
        self._fires_s = 0.0

    def guard(self, limit_s: float) -> None:
        """Fires after `limit_s`, or up to twice that, unless this or `rest` is called before."""
        now_s = time.monotonic()
        if not limit_s <= self._fires_s - now_s <= 2 * limit_s:
            faulthandler.dump_traceback_later(2 * limit_s, exit=True)
            self._fires_s = now_s + 2 * limit_s

    def rest(self) -> None:
        """Fires no more."""
        if self._fires_s:
            faulthandler.cancel_dump_traceback_later()
            self._fires_s = 0.0
