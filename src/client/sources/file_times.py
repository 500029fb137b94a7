"""When the pictures of a recording are shown. No clock, no file."""

from __future__ import annotations

import math

GRACE_S = 0.001  # containers round times, some to whole milliseconds
_LONGEST_JUMP_S = 10.0
_SLACK_S = 1.0


class FileTimes:
    """Turns the times that pictures of a recording bear into when each begins to be shown; rises, starts at 0."""

    def __init__(self, usual_s: float, length_s: float, may_jump: bool) -> None:
        """Starts.

        Args:
            usual_s: how long a picture is shown where the recording does not say.
            length_s: of the whole recording; infinite if that is not known. Later times are not believed.
            may_jump: times of this kind of recording may begin anew in the middle.
        """
        self._usual_s = usual_s
        self._length_s = length_s
        self._may_jump = may_jump
        self._shown_s = -math.inf
        self._ends_s = 0.0
        self._shift_s = 0.0

    @property
    def ends_s(self) -> float:
        """When the last picture so far ceases to be shown, if no other comes."""
        return self._ends_s

    def shown_s(self, time_s: float | None, duration_s: float | None) -> float:
        """Returns when the next picture begins to be shown.

        Args:
            time_s: its own time; None if it bears none.
            duration_s: how long it is shown; None if that is not said.
        """
        due_s = self._ends_s
        if time_s is None or not math.isfinite(time_s):
            shown_s = due_s
        elif self._shown_s == -math.inf:
            self._shift_s = -time_s
            shown_s = 0.0
        else:
            shown_s = time_s + self._shift_s
            is_jump = self._may_jump and shown_s > due_s + _LONGEST_JUMP_S
            if shown_s <= self._shown_s or is_jump or shown_s > self._length_s + _SLACK_S:
                shown_s = due_s
                if self._may_jump:
                    self._shift_s = shown_s - time_s
        is_told = duration_s is not None and 0 < duration_s < math.inf
        self._shown_s = shown_s
        self._ends_s = shown_s + (duration_s if is_told and duration_s else self._usual_s)
        return shown_s
