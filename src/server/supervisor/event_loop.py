"""What the supervisor waits with: readable descriptors and timers, in one thread."""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
from collections.abc import Callable
from typing import Protocol, Self

Action = Callable[[], None]


class HasDescriptor(Protocol):
    """A socket, a channel, ..."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


class EventLoop:
    """Calls an action when its descriptor is readable, or its time has come."""

    def __init__(self) -> None:
        """Waits for nothing yet."""
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Action]] = []
        self._order = itertools.count()

    def watch(self, source: int | HasDescriptor, action: Action) -> None:
        """Calls `action` whenever the source is readable."""
        self._selector.register(source, selectors.EVENT_READ, action)

    def forget(self, source: int | HasDescriptor) -> None:
        """Watches a source no longer; one that is not watched is fine."""
        if source in self._selector.get_map():
            self._selector.unregister(source)

    def is_watched(self, source: int | HasDescriptor) -> bool:
        """Whether `watch` was called, and not `forget` since."""
        return source in self._selector.get_map()

    def after(self, delay_s: float, action: Action) -> None:
        """Calls `action` once, so much later."""
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._order), action))

    def step(self) -> None:
        """Waits for something to happen and does what is due."""
        timeout_s = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for key, _ in self._selector.select(timeout_s):
            if self._selector.get_map().get(key.fd) is key:  # else forgotten by one before it
                key.data()
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
