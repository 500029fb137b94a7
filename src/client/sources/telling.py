"""What sources tell people: names that can be shown, and how much was spoiled."""

from __future__ import annotations

import logging
from pathlib import Path

_log = logging.getLogger(__name__)


class Spoiled:
    """Counts what cannot be decoded."""

    def __init__(self, source: str, things: str) -> None:
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


def shown(path: str | Path) -> str:
    """A path as it may stand in a line of text, whatever its name is."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(path))
