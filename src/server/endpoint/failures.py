"""Logs our own mistakes without letting whoever provokes them fill the log."""

from __future__ import annotations

import logging

PAUSE_MS = 10_000.0

_log = logging.getLogger(__name__)


class Failures:
    """Counts exceptions; one in ten seconds is logged, with its trace and with the number of those before it."""

    def __init__(self) -> None:
        self._num_unsaid = 0
        self._said_ms = -PAUSE_MS

    def note(self, where: str, now_ms: float) -> None:
        """Takes note of the exception that is being handled."""
        if now_ms - self._said_ms < PAUSE_MS:
            self._num_unsaid += 1
            return
        _log.exception("%s failed; %d times more since it was said last", where, self._num_unsaid)
        self._said_ms, self._num_unsaid = now_ms, 0
