"""What a process has to charge when it stood still itself: frames that lay unread meanwhile are older than they say."""

from __future__ import annotations

from dataclasses import dataclass

TICK_MS = 50.0
STALL_MS = 200.0
"""A tick that is later than that tells of a stall; shorter ones are everyday."""
BACKLOG_MS = 500.0
"""What was sent during a stall has been read that long after it at the latest."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which this process did nothing."""

    length_ms: float
    end_ms: float


class StallWatch:
    """Notices stalls from ticks that do not come in time.

    Attributes:
        latest: the newest stall.
    """

    def __init__(self, now_ms: float) -> None:
        self.latest = Stall(0.0, now_ms - BACKLOG_MS)
        self._ticked_ms = now_ms

    def restart(self, now_ms: float) -> None:
        """Ticks come again, after a pause that was no stall."""
        self._ticked_ms = now_ms

    def tick(self, now_ms: float) -> Stall:
        """To be called every `TICK_MS`; returns the newest stall."""
        self.look(now_ms)
        self._ticked_ms = now_ms
        return self.latest

    def look(self, now_ms: float) -> None:
        """To be called before a time is relied on: a stall is over, and the tick that would tell may come later."""
        late_ms = now_ms - self._ticked_ms - TICK_MS
        if late_ms >= STALL_MS:
            self.latest = Stall(late_ms, now_ms)
            self._ticked_ms = now_ms


class Backlog:
    """Tells how long the frames of one stream lay unread.

    Frames are numbered as they are captured, at a declared rate. So their numbers tell when they would have been
    read, had nobody stood still. That is asked only while frames come faster than they are captured.
    """

    def __init__(self, fps: float, now_ms: float) -> None:
        """Starts with a stream that has sent nothing yet."""
        self._period_ms = 1000.0 / fps
        self._sequence: int | None = None
        self._read_ms = self._due_ms = self._caught_up_ms = now_ms

    def waited_ms(self, sequence: int, read_ms: float, stall: Stall) -> float:
        """Returns how long a frame that has just been read was there already."""
        waited_ms = 0.0
        if self._is_behind(read_ms, stall):
            num_periods = 0 if self._sequence is None else sequence - self._sequence
            due_ms = self._due_ms + num_periods * self._period_ms
            waited_ms = min(stall.length_ms, max(0.0, read_ms - due_ms))
        if not waited_ms:
            self._caught_up_ms = read_ms
        self._sequence, self._read_ms, self._due_ms = sequence, read_ms, read_ms - waited_ms
        return waited_ms

    def _is_behind(self, read_ms: float, stall: Stall) -> bool:
        """Whether a frame that is read now may have been there when the stall ended."""
        if not stall.end_ms <= read_ms <= stall.end_ms + BACKLOG_MS:
            return False
        has_paused = self._read_ms >= stall.end_ms and read_ms - self._read_ms > self._period_ms / 2
        return self._caught_up_ms < stall.end_ms and not has_paused
