"""Answers that wait for the user: as many as fit, the newest."""

from __future__ import annotations

import asyncio
from collections import deque

from .answers import Answer


class Inbox:
    """A bounded queue of answers for one reader; a full one throws its oldest answer away.

    Attributes:
        num_thrown_away: answers that nobody took in time.
    """

    def __init__(self, max_answers: int) -> None:
        self.num_thrown_away = 0
        self._answers: deque[Answer] = deque(maxlen=max_answers)
        self._has_news = asyncio.Event()
        self._has_ended = False
        self._is_read = False  # somebody waits in `get`

    def put(self, answer: Answer) -> None:
        """Adds an answer."""
        if len(self._answers) == self._answers.maxlen:
            self.num_thrown_away += 1
        self._answers.append(answer)
        self._has_news.set()

    def end(self) -> None:
        """Says that there will be no more."""
        self._has_ended = True
        self._has_news.set()

    async def get(self) -> Answer | None:
        """Waits for the next answer; None at the end.

        Raises:
            RuntimeError: if another task waits already: each would get some of the answers.
        """
        if self._is_read:
            raise RuntimeError("the stream is iterated twice at the same time")
        self._is_read = True
        try:
            while not self._answers:
                if self._has_ended:
                    return None
                self._has_news.clear()
                await self._has_news.wait()
            return self._answers.popleft()
        finally:
            self._is_read = False
