"""Duties that recur, each at a due time of its own: whatever arrives meanwhile puts none of them off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

Duty = TypeVar("Duty")


class Duties(Generic[Duty]):
    """Tells what is due. Each duty is due a period after it was last."""

    def __init__(self, periods_ms: Mapping[Duty, float], now_ms: float) -> None:
        """Starts with every duty due a period from now."""
        self._periods_ms = periods_ms
        self._due_ms = {duty: now_ms + ms for duty, ms in periods_ms.items()}

    @property
    def next_ms(self) -> float:
        """When the next one is due."""
        return min(self._due_ms.values())

    def take_due(self, now_ms: float) -> Iterator[Duty]:
        """Yields what is due, in the order in which it was named."""
        for duty, due_ms in self._due_ms.items():
            if now_ms >= due_ms:
                self._due_ms[duty] = now_ms + self._periods_ms[duty]
                yield duty
