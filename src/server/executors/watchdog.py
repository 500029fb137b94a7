"""Ends a process whose batch does not end: a hung library cannot be waited for, or interrupted."""

from __future__ import annotations

import faulthandler


class Watchdog:
    """Writes every thread's stack and exits with status 1, in a thread that needs no interpreter.

    It guards the running of a batch alone, and costs some 30 us a batch.
    """

    def guard(self, limit_s: float) -> None:
        """Fires after `limit_s`, unless this or `rest` is called before."""
        faulthandler.dump_traceback_later(limit_s, exit=True)

    def rest(self) -> None:
        """Fires no more."""
        faulthandler.cancel_dump_traceback_later()
