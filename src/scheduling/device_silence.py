"""Whether a device still works, judged from the frames that it holds. Deaths show by themselves; hangs do not."""

from __future__ import annotations

PATIENCE_MS = 200.0
"""A frame that is overdue by that much and a batch tells of a hang, where nothing else came back either."""


class DeviceSilence:
    """One device, as an endpoint hears of it.

    A device that works says of every frame, at its deadline and a batch at the latest, what became of it.

    Attributes:
        is_silent: whether it is as good as lost, until something is heard of it.
    """

    def __init__(self, now_ms: float) -> None:
        """Starts with a device that has just come."""
        self.is_silent = False
        self._heard_ms = now_ms

    def heard(self, now_ms: float) -> bool:
        """Results have come; returns whether it was silent before."""
        was_silent, self.is_silent = self.is_silent, False
        self._heard_ms = now_ms
        return was_silent

    def excuse(self, now_ms: float) -> None:
        """We stood still ourselves, or could not hear it: what it said meanwhile is yet to be read."""
        self._heard_ms = now_ms

    def look(self, now_ms: float, earliest_deadline_ms: float, batch_ms: float) -> bool:
        """Returns whether the device has fallen silent just now.

        Args:
            now_ms: the time.
            earliest_deadline_ms: of the frames that it holds; infinite if there are none.
            batch_ms: the time that planning counts for one of its batches.
        """
        due_ms = max(earliest_deadline_ms, self._heard_ms) + batch_ms + PATIENCE_MS
        if self.is_silent or now_ms < due_ms:
            return False
        self.is_silent = True
        return True
