"""What planning knows of the devices: who is there, and how slow it is today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.device import Device

STEP_RATIO = 1.25
RISE_RATIO, FALL_RATIO = 1.2, 1.05
MAX_LEVEL = 12
STATUS_WEIGHT = 0.15
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
        if not slowdown_ratio > 0:
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


class DeviceTable:
    """The devices of the server, in the options' order."""

    def __init__(self, devices: Sequence[Device], latencies: Mapping[str, Latencies]) -> None:
        """Starts without a ready device; `latencies` holds each device's by variant and batch (ms)."""
        self._types = {device.device_id: device.device_type for device in devices}
        self._slowdowns: dict[str, SlowdownLevel] = {}
        self._latencies = dict(latencies)

    @property
    def num_ready(self) -> int:
        """Devices that can run frames."""
        return len(self._slowdowns)

    def add(self, device_id: str) -> None:
        """Its executor has come, and is ready."""
        self._slowdowns[device_id] = SlowdownLevel()

    def observe(self, device_id: str, slowdown_ratio: float, now_ms: float) -> bool:
        """Takes in an executor's status; returns whether plans must change."""
        slowdown = self._slowdowns.get(device_id)
        return slowdown is not None and slowdown.observe(slowdown_ratio, now_ms)

    def lose(self, device_id: str) -> None:
        """Its executor is gone."""
        self._slowdowns.pop(device_id, None)

    def forget(self, now_ms: float) -> bool:
        """Lets old slowness fade; returns whether any has changed."""
        return sum(one.forget(now_ms) for one in self._slowdowns.values()) > 0

    def problem_part(self) -> tuple[tuple[Device, ...], dict[str, Latencies]]:
        """The ready devices, and the latencies of their types.

        Devices of one type that are slowed down differently are of different types to the planner.
        """
        devices: list[Device] = []
        latencies: dict[str, Latencies] = {}
        for device_id, device_type in self._types.items():
            slowdown = self._slowdowns.get(device_id)
            if slowdown is None:
                continue
            name = f"{slowdown.level}-{device_type}"[:64] if slowdown.level else device_type
            devices.append(Device(device_id, name))
            if name not in latencies:
                latencies[name] = tuple(
                    tuple(slowdown.ratio * p99_ms for p99_ms in row)
                    for row in self._latencies[device_id]
                )
        return tuple(devices), latencies
