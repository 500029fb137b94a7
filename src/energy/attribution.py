"""Whose joules they were: what a batch takes above idle is its frames', idle energy goes by planned share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..core.checks import require_count, require_not_negative
from .port import Energy, Quality

NOBODY = ""  # holds what of a device's time is not planned
_WORSE = tuple(Quality).index


class BatchEnergy(NamedTuple):
    """What each frame of a batch took above idle; the quality is the worst of the batch's time."""

    batch: int
    frame_mj: float
    quality: Quality

    @property
    def is_known(self) -> bool:
        """Whether the meter told all of it."""
        return self.quality is not Quality.UNAVAILABLE


class Interval(NamedTuple):
    """From one movement of a meter to the next. What was above idle, and idle by holder of a share, are all that it counted."""

    begin_ms: float
    end_ms: float
    above_mj: float
    idle_mj: Mapping[str, float]
    quality: Quality
    ended: tuple[BatchEnergy, ...]  # of which nothing more will come


@dataclass(slots=True)
class _Batch:
    num_frames: int
    begin_ms: float
    end_ms: float = math.inf
    above_mj: float = 0.0
    quality: Quality = Quality.MEASURED


class Attribution:
    """The joules of one device. All times are of one clock; readings, and batches, come in order, each for themselves.

    Attributes:
        idle_w: what the device draws while nothing runs; may be changed as more is known.
    """

    def __init__(self, idle_w: float) -> None:
        """Nothing runs, and nobody is planned for."""
        self.idle_w = require_not_negative("idle_w", idle_w)
        self._shares: dict[str, float] = {NOBODY: 1.0}
        self._batches: dict[int, _Batch] = {}
        self._last: tuple[float, float] | None = None

    def plan(self, shares: Mapping[str, float]) -> None:
        """Takes whom the device is planned for: their shares of its time, 1 at most in all, or ValueError."""
        planned = require_not_negative("shares", sum(shares.values()), 1 + 1e-9)
        self._shares = {**shares, NOBODY: 1 - planned}

    def began(self, batch: int, num_frames: int, now_ms: float) -> None:
        """A batch runs."""
        require_count("num_frames", num_frames)
        self._batches[batch] = _Batch(num_frames, now_ms)

    def ended(self, batch: int, now_ms: float) -> None:
        """It runs no more."""
        self._batches[batch].end_ms = now_ms

    def read(self, energy: Energy, now_ms: float) -> Interval | None:
        """Takes a reading of the meter; returns what is known by it, None if the meter has not moved."""
        if self._last is None:
            self._last = now_ms, energy.total_mj
            for batch in self._batches.values():
                batch.quality = Quality.UNAVAILABLE
            return None
        begin_ms, before_mj = self._last
        added_mj = energy.total_mj - before_mj
        if added_mj == 0 and energy.quality is not Quality.UNAVAILABLE:
            return None
        self._last = now_ms, energy.total_mj
        parts = [
            (one, max(0.0, min(one.end_ms, now_ms) - max(one.begin_ms, begin_ms)))
            for one in self._batches.values()
        ]
        whole = sum(part for _, part in parts)
        above_mj = max(0.0, added_mj - self.idle_w * (now_ms - begin_ms)) if whole else 0.0
        for batch, part in parts:
            batch.above_mj += above_mj * part / whole if whole else 0.0
            batch.quality = max(batch.quality, energy.quality, key=_WORSE)
        idle_mj = {key: (added_mj - above_mj) * share for key, share in self._shares.items()}
        return Interval(
            begin_ms, now_ms, above_mj, idle_mj, energy.quality, self._take_ended(now_ms)
        )

    def _take_ended(self, now_ms: float) -> tuple[BatchEnergy, ...]:
        keys = [key for key, batch in self._batches.items() if batch.end_ms <= now_ms]
        taken = [(key, self._batches.pop(key)) for key in keys]
        return tuple(BatchEnergy(key, b.above_mj / b.num_frames, b.quality) for key, b in taken)
