"""When a process that says nothing counts as hung."""

from __future__ import annotations

BEAT_PERIOD_MS = 500.0  # each process says so often that its work goes on
SILENCE_LIMIT_MS = 2500.0  # judged once a period, so that nothing is silent for more than 3 s
LONGEST_STEP_MS = 1000.0  # between two looks; whatever is longer, the judge itself did not run


class Heartbeats:
    """Knows who was heard when, on a clock that stands still while nobody looks at it.

    A judge that was stopped, suspended or starved cannot tell whether the others were, too. So of
    the time between two of its looks at most `LONGEST_STEP_MS` counts.
    """

    def __init__(self) -> None:
        """Knows nobody yet."""
        self._heard_ms: dict[str, float] = {}  # on our own clock
        self._awake_ms = 0.0
        self._looked_ms: float | None = None

    def hear(self, name: str, now_ms: float) -> None:
        """Takes a sign of life; from the first one on, further ones are expected."""
        self._heard_ms[name] = self._look(now_ms)

    def forget(self, name: str) -> None:
        """Expects nothing more of a process."""
        self._heard_ms.pop(name, None)

    def hung(self, now_ms: float) -> list[str]:
        """Whoever has been silent for too long. All that was sent must have been heard before."""
        awake_ms = self._look(now_ms)
        return [
            name
            for name, heard_ms in self._heard_ms.items()
            if awake_ms - heard_ms >= SILENCE_LIMIT_MS
        ]

    def _look(self, now_ms: float) -> float:
        if self._looked_ms is not None:
            self._awake_ms += min(max(0.0, now_ms - self._looked_ms), LONGEST_STEP_MS)
        self._looked_ms = now_ms
        return self._awake_ms
