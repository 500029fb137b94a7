"""Ends a process whose batch does not end: a hung library cannot be waited for, or interrupted."""

from __future__ import annotations

import faulthandler
import time

SLACK_S = 1.0


class Watchdog:
    """Writes every thread's stack and exits with status 1, in a thread that needs no interpreter.

    Setting it costs a thread, so it is set with some slack and left alone while that lasts.
    """

    def __init__(self) -> None:
        self._fires_at_s = 0.0

    def guard(self, limit_s: float) -> None:
        """From now on, fires after `limit_s` to `limit_s + SLACK_S`, unless this is called again."""
        now_s = time.monotonic()
        if not limit_s <= self._fires_at_s - now_s <= limit_s + SLACK_S:
            self._fires_at_s = now_s + limit_s + SLACK_S
            faulthandler.dump_traceback_later(limit_s + SLACK_S, exit=True)

    def rest_within_s(self) -> float | None:
        """How soon `rest` must be called if nothing else happens; None if it rests."""
        if not self._fires_at_s:
            return None
        return max(0.0, self._fires_at_s - time.monotonic() - SLACK_S / 2)

    def rest(self) -> None:
        """Fires no more."""
        self._fires_at_s = 0.0
        faulthandler.cancel_dump_traceback_later()
