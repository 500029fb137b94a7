"""Says once that something of a source is spoiled, and how much it was when all is over."""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)


class Spoiled:
    """Counts what cannot be decoded.

    Attributes:
        num: how many there were.
    """

    def __init__(self, source: str, things: str) -> None:
        """Starts at zero.

        Args:
            source: how the source is called in messages.
            things: what is counted, in the plural.
        """
        self.num = 0
        self._source = source
        self._things = things

    def note(self, problem: str) -> None:
        """Counts one; the first is told."""
        self.num += 1
        if self.num == 1:
            _log.warning("%s: %s are left out, the first: %s", self._source, self._things, problem)

    def sum_up(self) -> None:
        """Tells how many there were, if there were several."""
        if self.num > 1:
            _log.warning("%s: %d %s were left out", self._source, self.num, self._things)
        self.num = 0
