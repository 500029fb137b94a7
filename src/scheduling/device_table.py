"""What planning knows of the devices: who is there, what it can run, and how slow it is today."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.device import Device

STEP_RATIO = 1.25
RISE_RATIO, FALL_RATIO = 1.2, 1.05
MAX_LEVEL = 12
STATUS_WEIGHT = 0.15
NEVER_MS = 1e9  # as long as a variant takes that cannot run: no budget allows it
LONGEST_TYPE = 48  # characters; a device's number follows
FORGET_MS = 5000.0  # a device judged too slow gets no frames, so nothing else would clear it

Latencies = tuple[tuple[float, ...], ...]


class SlowdownLevel:
    """A device's recent slowness in steps of 25 %, with a gap between rising and falling.

    On a machine that does other work a device's batches take longer than profiled, and by how much
    changes all the time; plans should follow the trend and not each tremor.

    Attributes:
        level: the step in force; latencies are to be multiplied by `ratio`.
    """

    def __init__(self) -> None:
        self.level = 0
        self._mean = 1.0
        self._changed_ms = 0.0

    @property
    def ratio(self) -> float:
        """Latency now over the profile's."""
        return float(STEP_RATIO**self.level)

    def observe(self, slowdown_ratio: float, now_ms: float) -> bool:
        """Takes in what an executor says; returns whether the step has changed."""
        if not 0 < slowdown_ratio < math.inf:
            return False
        self._mean += STATUS_WEIGHT * (slowdown_ratio - self._mean)
        self._changed_ms = now_ms
        before = self.level
        while self.level < MAX_LEVEL and self._mean > self.ratio * RISE_RATIO:
            self.level += 1
        while self.level and self._mean < self.ratio / STEP_RATIO * FALL_RATIO:
            self.level -= 1
        return self.level != before

    def forget(self, now_ms: float) -> bool:
        """Lowers the step if nothing was heard for long; returns whether it has changed."""
        if not self.level or now_ms - self._changed_ms < FORGET_MS:
            return False
        self.level -= 1
        self._mean = self.ratio
        self._changed_ms = now_ms
        return True


@dataclass(slots=True)
class _Ready:
    """A device whose executor is there.

    Attributes:
        broken: indices of variants that cannot be loaded or run on it.
        is_silent: whether frames that it holds are overdue.
    """

    slowdown: SlowdownLevel = field(default_factory=SlowdownLevel)
    broken: frozenset[int] = frozenset()
    is_silent: bool = False


class DeviceTable:
    """The devices of the server, in the options' order."""

    def __init__(self, devices: Sequence[Device], latencies: Mapping[str, Latencies]) -> None:
        """Starts without a ready device; `latencies` holds each device's by variant and batch (ms)."""
        self._types = {device.device_id: device.device_type for device in devices}
        self._ready: dict[str, _Ready] = {}
        self._latencies = dict(latencies)

    @property
    def num_ready(self) -> int:
        """Devices that can run frames."""
        return sum(self._is_usable(one) for one in self._ready)

    def add(self, device_id: str) -> None:
        """Its executor has come, and is ready; nothing is known against it."""
        self._ready[device_id] = _Ready()

    def observe(
        self,
        device_id: str,
        slowdown_ratio: float,
        now_ms: float,
        broken: Collection[int] = (),
    ) -> bool:
        """Takes in an executor's status; returns whether plans must change.

        Args:
            device_id: whose status it is; one that is not there is not observed.
            slowdown_ratio: recent batch time over the profile's median.
            now_ms: when.
            broken: indices of all variants that cannot be loaded or run there.
        """
        one = self._ready.get(device_id)
        if one is None:
            return False
        before = one.broken, one.is_silent
        one.broken, one.is_silent = frozenset(broken), False
        return one.slowdown.observe(slowdown_ratio, now_ms) or before != (one.broken, False)

    def silence(self, device_id: str) -> bool:
        """Frames that it holds are overdue: as good as lost until its executor comes anew or says a word.

        Returns:
            Whether that is news.
        """
        one = self._ready.get(device_id)
        if one is None or one.is_silent:
            return False
        one.is_silent = True
        return True

    def lose(self, device_id: str) -> None:
        """Its executor is gone."""
        self._ready.pop(device_id, None)

    def forget(self, now_ms: float) -> bool:
        """Lets old slowness fade; returns whether any has changed."""
        return sum(one.slowdown.forget(now_ms) for one in self._ready.values()) > 0

    def problem_part(self) -> tuple[tuple[Device, ...], dict[str, Latencies]]:
        """The usable devices, and the latencies of their types.

        Devices of one type that are slowed down differently, or cannot run the same variants, are of different
        types to the planner.
        """
        devices: list[Device] = []
        latencies: dict[str, Latencies] = {}
        names: dict[tuple[str, int, frozenset[int]], str] = {}
        for number, (device_id, device_type) in enumerate(self._types.items()):
            if not self._is_usable(device_id):
                continue
            one = self._ready[device_id]
            level = one.slowdown.level
            is_plain = not level and not one.broken
            name = names.setdefault(
                (device_type, level, one.broken),
                device_type if is_plain else f"{device_type[:LONGEST_TYPE]}-as-{number}",
            )
            devices.append(Device(device_id, name))
            if name not in latencies:
                latencies[name] = tuple(
                    (NEVER_MS,) * len(row)
                    if variant in one.broken
                    else tuple(one.slowdown.ratio * p99_ms for p99_ms in row)
                    for variant, row in enumerate(self._latencies[device_id])
                )
        return tuple(devices), latencies

    def _is_usable(self, device_id: str) -> bool:
        one = self._ready.get(device_id)
        return (
            one is not None
            and not one.is_silent
            and len(one.broken) < len(self._latencies[device_id])
        )
