"""A camera's clock, read on ours. No clock of its own, no thread, no camera."""

from __future__ import annotations

import math

MAX_DRIFT_RATIO = 0.001  # NTSC rates are off by that much; crystals by a tenth of it
WINDOW_MS = 10_000.0
_SETTLED_MS = 1.0
_SETTLED_AFTER_MS = 2000.0


class CameraClock:
    """Tells when pictures were captured, from the camera's own times and when they arrived.

    The picture that came through quickest tells how the camera's clock stands to ours: no picture arrives before
    it was captured. Others were as much longer on their way as they came later than that. What is the same for
    all pictures, such as the time to encode one, cannot be seen.

    A clock that runs slow makes all pictures seem to come ever later. So the quickest of the last ten to
    twenty seconds may move the reading, but by no more than a clock can be off: what truly comes ever later stays late.

    Attributes:
        is_settled: whether what had piled up before the first picture has been worked off; until then pictures
            are taken for younger than they are.
    """

    def __init__(self) -> None:
        self.is_settled = False
        self._first_ms = math.inf
        self._offset_ms = math.inf
        self._camera_ms = -math.inf
        self._arrived_ms = -math.inf
        self._window_end_ms = -math.inf
        self._window_least_ms = self._least_before_ms = math.inf

    def captured_ms(self, camera_ms: float | None, arrived_ms: float) -> float:
        """Returns when a picture was captured, on our clock; rises, and is never after its arrival.

        A picture that bears no time of the camera is taken to be captured when it arrived.
        """
        self._first_ms = min(self._first_ms, arrived_ms)
        if camera_ms is None or not math.isfinite(camera_ms):
            self.is_settled = True
            return arrived_ms
        offset_ms = arrived_ms - camera_ms
        comes_no_quicker = (
            math.isfinite(self._offset_ms) and offset_ms > self._offset_ms - _SETTLED_MS
        )
        if comes_no_quicker or arrived_ms - self._first_ms > _SETTLED_AFTER_MS:
            self.is_settled = True
        if camera_ms <= self._camera_ms:  # the camera's clock was set
            self._offset_ms = offset_ms
            self._window_end_ms = -math.inf
        self._look_back(offset_ms, arrived_ms)
        least_ms = min(self._window_least_ms, self._least_before_ms)
        if least_ms > self._offset_ms:
            drift_ms = MAX_DRIFT_RATIO * max(0.0, arrived_ms - self._arrived_ms)
            self._offset_ms = min(least_ms, self._offset_ms + drift_ms)
        self._offset_ms = min(self._offset_ms, offset_ms)
        self._camera_ms, self._arrived_ms = camera_ms, arrived_ms
        return camera_ms + self._offset_ms

    def _look_back(self, offset_ms: float, arrived_ms: float) -> None:
        """Keeps the least offset of this window and of the one before."""
        if arrived_ms >= self._window_end_ms:
            is_first = self._window_end_ms == -math.inf
            self._least_before_ms = math.inf if is_first else self._window_least_ms
            self._window_least_ms = math.inf
            self._window_end_ms = arrived_ms + WINDOW_MS
        self._window_least_ms = min(self._window_least_ms, offset_ms)
