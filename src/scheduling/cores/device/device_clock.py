"""The clock of a device: which one is asked for, which one is reached, and what a change takes."""

from __future__ import annotations

import math
from collections.abc import Collection

from ....core.mode import nearest_clock

FIRST_CHANGE_MS = 100.0  # what a change is taken to take before one was seen
LOOK_MS = 5.0  # between looks at a clock that is to change
PATIENCE_MS = 1000.0  # for a clock that is not reached: then the device goes on at what it has
CHANGE_WEIGHT = 0.3  # of the newest change


class DeviceClock:
    """One change at a time, of which its owner has the shell ask, and then says what is read.

    Attributes:
        clocks_mhz: those that the device's tables have, the lowest first; empty where it has no clocks.
        reached_mhz: the one of them that the device runs at; the highest while nobody has asked for any. None where it has no clocks.
        asked_mhz: the one that was asked for last; None for none.
        is_changing: whether that is neither reached yet nor known to be out of reach.
        change_ms: what a change takes, from asking to reading it.
        epoch: rises with whatever becomes of the clock: what ran meanwhile tells nothing of one clock.
    """

    def __init__(self, clocks_mhz: Collection[float]) -> None:
        """Is left alone at first."""
        self.clocks_mhz = tuple(sorted(clocks_mhz))
        self.reached_mhz = self.clocks_mhz[-1] if self.clocks_mhz else None
        self.asked_mhz: float | None = None
        self.is_changing = False
        self.change_ms = FIRST_CHANGE_MS
        self.epoch = 0
        self._is_known = True
        self._was_known = False  # ever: where no clock can be read none was ever set
        self._has_changed = False
        self._asked_ms = self._looked_ms = -math.inf

    @property
    def is_steady(self) -> bool:
        """Whether the clock is known, and not about to change."""
        return self._is_known and not self.is_changing

    @property
    def is_lowering(self) -> bool:
        """Whether it is about to fall: nothing may begin to run."""
        return self.is_changing and (self.asked_mhz or 0.0) < (self.reached_mhz or 0.0)

    def left_ms(self, now_ms: float) -> float:
        """Until the change should be through."""
        return max(0.0, self._asked_ms + self.change_ms - now_ms)

    def is_late(self, now_ms: float) -> bool:
        """Whether the change should have been through for long."""
        return now_ms > self._asked_ms + 2 * self.change_ms + LOOK_MS

    def ask(self, mhz: float, now_ms: float) -> None:
        """One is asked for now, while none changes and nothing runs."""
        self.asked_mhz, self._asked_ms = mhz, now_ms
        self._looked_ms = now_ms
        self.is_changing = True
        self.epoch += 1

    def read(self, mhz: float | None, now_ms: float, *, is_refused: bool = False) -> None:
        """The device runs at that, None if nobody knows; `is_refused` if what was asked for is known to be out of reach."""
        if not self.clocks_mhz or (mhz is None and self.asked_mhz is None):
            return
        before = self.reached_mhz, self.is_changing, self._is_known
        self._was_known = self._was_known or mhz is not None
        self._is_known = mhz is not None or not self._was_known
        if mhz is not None:
            self.reached_mhz = nearest_clock(self.clocks_mhz, mhz)
        if self.is_changing:
            if mhz is not None and self.reached_mhz == self.asked_mhz:
                self._learn(now_ms)
                self.is_changing = False
            elif is_refused or now_ms >= self._asked_ms + PATIENCE_MS:
                self.is_changing = False
        self._looked_ms = now_ms
        if (self.reached_mhz, self.is_changing, self._is_known) != before:
            self.epoch += 1

    def _learn(self, now_ms: float) -> None:
        """Notes what the change took; one that was not looked for all the time has taken so long at most."""
        took_ms = now_ms - self._asked_ms
        if now_ms - self._looked_ms > 2 * LOOK_MS:
            self.change_ms = min(self.change_ms, took_ms)
        elif self._has_changed:
            self.change_ms += CHANGE_WEIGHT * (took_ms - self.change_ms)
        else:
            self.change_ms, self._has_changed = took_ms, True
