"""Keeps what an executor's batches have taught, and tells a person when the profile should be measured again."""

from __future__ import annotations

import logging

from ...scheduling.cores.device.condition import Condition
from ...zoos import LearnedFile

KEEP_EVERY_MS = 60_000.0

_log = logging.getLogger(__name__)


class Learning:
    """Looks at a device's condition now and then, and at the end."""

    def __init__(self, device_id: str, condition: Condition, learned: LearnedFile | None) -> None:
        """Nothing is kept where `learned` is None."""
        self._device_id = device_id
        self._condition = condition
        self._learned = learned
        self._kept_ms: float | None = None
        self._has_offered = False

    def look(self, now_ms: float) -> None:
        """Keeps what is known every minute, for an end that nobody can announce."""
        if self._kept_ms is None:
            self._kept_ms = now_ms
        if now_ms - self._kept_ms >= KEEP_EVERY_MS:
            self._kept_ms = now_ms
            self.keep()
        if (
            self._learned is not None
            and not self._has_offered
            and self._condition.own.is_off_for_long(now_ms)
        ):
            self._has_offered = True
            _log.warning(
                "%s: batches have not taken what the profile says for ten minutes; measure it again with "
                "`moonjelly profile --refresh`",
                self._device_id,
            )

    def keep(self) -> None:
        """Keeps what is known of its own clock, unless the device is as good as lost: that will have passed."""
        if self._learned is not None and not self._condition.own.is_far_off:
            self._learned.keep(self._condition.own.slowness)
