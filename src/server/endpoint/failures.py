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

    def note(self, where: str, now_ms: float, error: Exception) -> None:
        """Takes note of an exception."""
        if now_ms - self._said_ms < PAUSE_MS:
            self._num_unsaid += 1
            return
        text = "%s failed; %d times more since it was said last"
        _log.error(text, where, self._num_unsaid, exc_info=error)
        self._said_ms, self._num_unsaid = now_ms, 0
