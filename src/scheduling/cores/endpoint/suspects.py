"""Who may have killed devices: frames and devices as `Suspicion` sees them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...suspicion import FORGET_MS, AtWork, Suspicion
from .attached_device import Handed
from .held_frame import HeldFrame


class Suspects:
    """What this endpoint holds against its streams, and the deaths that are not explained yet."""

    def __init__(self) -> None:
        self._suspicion = Suspicion()
        self._known_devices: set[str] = set()
        self._died_ms: dict[str, float] = {}  # when a device was lost last
        self._unexplained: dict[str, list[AtWork]] = {}  # what lost devices were at

    @property
    def is_empty(self) -> bool:
        """Whether nobody is suspected of anything, as is the rule."""
        return self._suspicion.is_empty

    def know(self, device_id: str) -> None:
        """A device has come."""
        self._known_devices.add(device_id)

    def is_suspect(self, frame: HeldFrame) -> bool:
        """Whether a frame must run alone."""
        return self._suspicion.is_suspect(frame.gate.stream_id)

    def is_condemned(self, frame: HeldFrame) -> bool:
        """Whether a frame must not run."""
        return self._suspicion.is_condemned(frame.gate.stream_id)

    def may_start(self, frame: HeldFrame, now_ms: float, num_devices: int) -> bool:
        """Whether a frame may be sent now, with so many devices that work."""
        return self._suspicion.may_start(
            frame.gate.stream_id,
            now_ms,
            has_run=frame.gate.num_answered > 0,
            is_last_device=num_devices == 1 < len(self._known_devices),
        )

    def has_died(self, device_id: str, now_ms: float) -> bool:
        """Whether a device was lost of late: it may be broken, and proves nothing against whoever runs there."""
        return now_ms - self._died_ms.get(device_id, -math.inf) < FORGET_MS

    def started(self, frame: HeldFrame) -> None:
        """A frame was sent alone."""
        self._suspicion.started(frame.gate.stream_id)

    def ended(self, handed: Handed, *, ran_well: bool) -> None:
        """A frame that was sent alone is not at a device any more."""
        self._suspicion.ended(handed.stream_id, ran_well=ran_well)

    def lost(self, device_id: str, at_work: Iterable[Handed], now_ms: float) -> None:
        """A device hangs, or is gone, at work on these frames."""
        frames = [AtWork(one.stream_id, one.is_alone) for one in at_work]
        self._unexplained[device_id] = frames
        self._died_ms[device_id] = now_ms
        self._suspicion.lost(frames, now_ms)

    def explain(self, device_id: str, *, is_crash: bool) -> tuple[list[str], list[str]]:
        """Takes in what an executor died of; returns the streams that were tried by it, and those found guilty."""
        at_work = self._unexplained.pop(device_id, [])
        condemned = self._suspicion.died(at_work, is_crash=is_crash)
        tried = {one.stream_id for one in at_work if one.was_alone}
        return sorted(tried - condemned), sorted(condemned)
