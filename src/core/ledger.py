"""The ledger: every captured frame ends exactly once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from .verdict import Drop, Verdict


class LedgerError(Exception):
    """A frame was opened twice, closed twice, or closed without having been opened."""


class _Outcome(NamedTuple):
    verdict: Verdict
    drop: Drop | None


class Outcome(_Outcome):
    """How one frame ended. `drop` is set exactly where the verdict is DROPPED.

    A tuple, as each frame's is looked up in the counts.
    """

    __slots__ = ()

    def __new__(cls, verdict: Verdict, drop: Drop | None = None) -> Self:
        """Takes a verdict, and a place and reason where it is one of a frame that was dropped.

        Raises:
            ValueError: if one of both is missing or too much.
        """
        if (verdict is Verdict.DROPPED) != (drop is not None):
            raise ValueError(f"drop={drop}: belongs to verdict dropped, not {verdict}")
        return super().__new__(cls, verdict, drop)


IN_TIME, LATE = Outcome(Verdict.IN_TIME), Outcome(Verdict.LATE)


@dataclass(slots=True)
class Ledger:
    """Counts frames of one stream from capture to verdict.

    Holds open frames one by one and closed ones only as counts, so its size stays bounded by the
    frames in flight.

    Attributes:
        captured: frames opened so far.
        duplicated: answers that came for a frame already closed; counted, never applied.
        counts: closed frames by outcome.
    """

    captured: int = 0
    duplicated: int = 0
    counts: Counter[Outcome] = field(default_factory=Counter)
    _open: set[int] = field(default_factory=set)
    _next_sequence: int = 0

    def open(self, sequence: int) -> None:
        """Enters a captured frame; sequences must rise.

        Raises:
            LedgerError: if this or a later sequence was entered before.
        """
        if sequence < self._next_sequence:
            raise LedgerError(f"sequence {sequence}: entered after {self._next_sequence - 1}")
        self._next_sequence = sequence + 1
        self._open.add(sequence)
        self.captured += 1

    def close(self, sequence: int, outcome: Outcome) -> bool:
        """Gives a frame its verdict. Returns False, and counts a duplicate, if it had one already.

        Raises:
            LedgerError: if the frame was never entered.
        """
        if sequence >= self._next_sequence:
            raise LedgerError(f"sequence {sequence}: closed but never entered")
        if sequence not in self._open:
            self.duplicated += 1
            return False
        self._open.remove(sequence)
        self.counts[outcome] += 1
        return True

    def total(self, verdict: Verdict) -> int:
        """How many frames ended with that verdict."""
        return sum(n for outcome, n in self.counts.items() if outcome.verdict is verdict)

    @property
    def lost(self) -> int:
        """Frames captured that have no verdict."""
        return self.captured - self.counts.total()

    def check_invariants(self) -> None:
        """Raises LedgerError if captured frames, verdicts and open frames do not add up."""
        if self.captured != self.counts.total() + len(self._open):
            raise LedgerError(
                f"captured={self.captured} but {self.counts.total()} verdicts "
                f"and {len(self._open)} open frames"
            )
