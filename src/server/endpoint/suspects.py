"""Who may have killed executors: frames and executors as `Suspicion` sees them, with words for the log."""

from __future__ import annotations

import logging
import math

from ...scheduling.suspicion import FORGET_MS, AtWork, Suspicion
from .attached_executor import AttachedExecutor, Handed
from .frame import ArrivedFrame

_log = logging.getLogger(__name__)


class Suspects:
    """What this endpoint holds against its streams, and the deaths that are not explained yet."""

    def __init__(self) -> None:
        self._suspicion = Suspicion()
        self._known_devices: set[str] = set()
        self._died_ms: dict[str, float] = {}  # when a device's executor was lost last
        self._unexplained: dict[str, list[AtWork]] = {}  # what dead executors were at, by device

    def know(self, device_id: str) -> None:
        """A device's executor was attached."""
        self._known_devices.add(device_id)

    def is_suspect(self, frame: ArrivedFrame) -> bool:
        """Whether a frame must run alone."""
        return self._suspicion.is_suspect(frame.session.stream_id)

    def is_condemned(self, frame: ArrivedFrame) -> bool:
        """Whether a frame must not run."""
        return self._suspicion.is_condemned(frame.session.stream_id)

    def may_start(self, frame: ArrivedFrame, now_ms: float, num_devices: int) -> bool:
        """Whether a frame may be sent now, with so many devices that work."""
        session = frame.session
        return self._suspicion.may_start(
            session.stream_id,
            now_ms,
            has_run=session.num_answered > 0,
            is_last_device=num_devices == 1 < len(self._known_devices),
        )

    def has_died(self, device_id: str, now_ms: float) -> bool:
        """Whether a device was lost of late: it may be broken, and proves nothing against whoever runs there."""
        return now_ms - self._died_ms.get(device_id, -math.inf) < FORGET_MS

    def started(self, handed: Handed) -> None:
        """A frame was sent."""
        if handed.is_alone:
            self._suspicion.started(handed.stream_id)

    def ended(self, handed: Handed, *, ran_well: bool) -> None:
        """A frame that was sent alone is not at an executor any more."""
        self._suspicion.ended(handed.stream_id, ran_well=ran_well)

    def lost(self, executor: AttachedExecutor, at_work: dict[int, Handed], now_ms: float) -> None:
        """An executor hangs, or has died, at work on these frames."""
        for one in at_work.values():
            _log.warning(
                "%s was lost at work on frame %d of %s: %d bytes, crc32c %08x%s",
                executor.device_id, one.frame.sequence, one.stream_id, one.frame.num_bytes,
                one.frame.crc32c, ", alone" if one.is_alone else "",
            )  # fmt: skip
        frames = [AtWork(one.stream_id, one.is_alone) for one in at_work.values()]
        self._unexplained[executor.device_id] = frames
        self._died_ms[executor.device_id] = now_ms
        self._suspicion.lost(frames, now_ms)

    def explain(self, device_id: str, *, is_crash: bool) -> tuple[set[str], set[str]]:
        """Takes in what an executor died of; returns the streams that were tried by it, and those found guilty."""
        at_work = self._unexplained.pop(device_id, [])
        condemned = self._suspicion.died(at_work, is_crash=is_crash)
        return {one.stream_id for one in at_work if one.was_alone}, condemned
