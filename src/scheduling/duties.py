"""Duties that recur, each at a due time of its own: whatever arrives meanwhile puts none of them off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class Due(Generic[Name]):
    """A duty that is due.

    Attributes:
        late_ms: how late it is.
    """

    name: Name
    late_ms: float


class Duties(Generic[Name]):
    """Tells what is due. Each duty is due a period after it was last."""

    def __init__(self, periods_ms: Mapping[Name, float], now_ms: float) -> None:
        """Starts with every duty due a period from now."""
        self._periods_ms = dict(periods_ms)
        self._due_ms = {name: now_ms + ms for name, ms in self._periods_ms.items()}

    @property
    def next_ms(self) -> float:
        """When the next one is due."""
        return min(self._due_ms.values())

    def take_due(self, now_ms: float) -> Iterator[Due[Name]]:
        """Yields what is due, in the order in which it was named."""
        for name, due_ms in self._due_ms.items():
            if now_ms >= due_ms:
                self._due_ms[name] = now_ms + self._periods_ms[name]
                yield Due(name, now_ms - due_ms)

    def hasten(self, name: Name, now_ms: float) -> None:
        """A duty is due now, if it was not before."""
        self._due_ms[name] = min(self._due_ms[name], now_ms)

    def rest(self, now_ms: float) -> None:
        """There was nothing to look after until now: nothing is late."""
        self._due_ms = {name: now_ms + ms for name, ms in self._periods_ms.items()}
