"""When an idle device is put to its lowest clock, and when it is brought back."""

from __future__ import annotations

import math

PARK_CHANGES, RETURN_CHANGES = 2.0, 1.0  # there and back; back


class Parking:
    """Expects frames as far apart as their rate says; where none has come for twice as long, it expects none.

    A frame that comes before it is expected waits for the clock, as it may wait for a batch that runs: so a device whose clock takes longer to
    change than its planned batch takes is left as it is, unless nothing at all is planned there.

    Attributes:
        look_ms: when to decide anew, if nothing happens.
    """

    def __init__(self, *, is_allowed: bool) -> None:
        """Has seen no frame."""
        self.look_ms = math.inf
        self._is_allowed = is_allowed
        self._came_ms = -math.inf

    def came(self, now_ms: float) -> None:
        """A frame has come."""
        self._came_ms = now_ms

    def is_due(
        self,
        arrival_fps: float,
        change_ms: float,
        batch_ms: float,
        now_ms: float,
        *,
        is_parked: bool,
    ) -> bool:
        """Whether a device that has nothing to do should be at its lowest clock now; `batch_ms` is what a planned batch takes at most."""
        self.look_ms = math.inf
        if not self._is_allowed or (arrival_fps > 0 and change_ms > batch_ms):
            return False
        if arrival_fps <= 0:
            return True
        gap_ms = 1000.0 / arrival_fps
        due_ms, silent_ms = self._came_ms + gap_ms, self._came_ms + 2 * gap_ms
        if now_ms >= silent_ms:
            return True
        changes = RETURN_CHANGES if is_parked else PARK_CHANGES
        if now_ms < due_ms - changes * change_ms:
            self.look_ms = due_ms - RETURN_CHANGES * change_ms
            return True
        self.look_ms = silent_ms
        return False
