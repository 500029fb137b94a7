"""Which frame of a stream is due when, and which picture belongs to it. No clock, no thread, no source."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass

SILENT_AFTER_MS = 1000.0
SILENT_AFTER_GAPS = 4
_REMEMBERED_GAPS = 9


@dataclass(frozen=True, slots=True)
class DueFrames:
    """Frame k is due k periods after the first one, whatever happened before.

    Attributes:
        start_ms: when frame 0 is due.
        num_frames: how many there are; infinite for no limit.
    """

    fps: float
    start_ms: float
    num_frames: float = math.inf

    @property
    def period_ms(self) -> float:
        """From one frame to the next."""
        return 1000.0 / self.fps

    @property
    def end_ms(self) -> float:
        """When the last frame's period is over."""
        return self.due_ms(self.num_frames)

    def due_ms(self, number: float) -> float:
        """When a frame is due."""
        return self.start_ms + number * self.period_ms

    def num_due(self, now_ms: float) -> int:
        """How many frames are due by then."""
        num_periods = max(-1.0, (now_ms - self.start_ms) / self.period_ms)
        return int(min(math.floor(num_periods) + 1, self.num_frames))

    def missed(self, number: int, now_ms: float) -> range:
        """The frames after one that was read ahead of, which cannot be read in time any more.

        Reading goes on with the frame after them: the newest that is due, or the next one.
        """
        newest = math.floor((now_ms - self.start_ms) / self.period_ms)
        return range(number + 1, int(min(max(number + 1, newest), self.num_frames)))


class LiveFrames:
    """Gives pictures of a live source their frames, and tells which frames the source owes.

    A picture is a frame if its turn has come: pictures of a source that is faster than the stream are left out
    evenly, with up to half a period's grace, so that none is lost to jitter. A source that is slower
    makes fewer frames. One that falls silent for much longer than it usually does owes the frames that were due.
    """

    def __init__(self, due: DueFrames, now_ms: float) -> None:
        self._due = due
        self._next = 0
        self._turn_ms = due.start_ms  # of the next picture, with grace
        self._last_ms = now_ms
        self._gaps_ms: deque[float] = deque(maxlen=_REMEMBERED_GAPS)

    @property
    def silent_after_ms(self) -> float:
        """How long the source may be silent until it owes frames."""
        usual_ms = statistics.median(self._gaps_ms) if self._gaps_ms else self._due.period_ms
        return max(SILENT_AFTER_MS, SILENT_AFTER_GAPS * usual_ms)

    def is_over(self, now_ms: float) -> bool:
        """Whether no frame is to come."""
        return self._next >= self._due.num_frames or now_ms >= self._due.end_ms

    def next_number(self, now_ms: float) -> int:
        """The number that a picture of this moment would have."""
        return max(self._next, self._due.num_due(now_ms) - 1)

    def take(self, captured_ms: float, now_ms: float) -> int | None:
        """Takes note of a picture; returns the number of the frame that it is, None if it is none."""
        self._gaps_ms.append(now_ms - self._last_ms)
        self._last_ms = now_ms
        if captured_ms < self._turn_ms:
            return None
        period_ms = self._due.period_ms
        nearest = math.floor((captured_ms - self._due.start_ms) / period_ms + 0.5)
        number = max(self._next, nearest)
        if number >= self._due.num_frames:
            return None
        self._next = number + 1
        grace_ms = period_ms / 2
        self._turn_ms = max(self._turn_ms + grace_ms, captured_ms) + period_ms - grace_ms
        return number

    def owed(self, now_ms: float, is_lost: bool) -> range:
        """Takes note of the time; returns the frames that were due and will have no picture.

        A source that does not say that it is lost may still have one until it has been silent for long.
        """
        if not is_lost and now_ms - self._last_ms <= self.silent_after_ms:
            return range(0)
        numbers = range(self._next, max(self._next, self._due.num_due(now_ms)))
        if numbers:
            self._next = numbers.stop
            self._turn_ms = max(
                self._turn_ms, self._due.due_ms(self._next) - self._due.period_ms / 2
            )
        return numbers

    def wake_ms(self) -> float:
        """When `owed` should be asked next, if no picture comes."""
        silent_ms = self._last_ms + self.silent_after_ms
        return min(max(silent_ms, self._due.due_ms(self._next)), self._due.end_ms)
