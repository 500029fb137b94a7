"""What planning knows of the devices: who is there, what it can run, and how slow it is today."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..core.device import Device
from ..core.mode import ModeTable
from .slowdown import FAR_OFF_RATIO

STEP_RATIO = 1.1
RISE_STEPS, FALL_STEPS = 0.8, 1.3
SHORT_STEPS = 0.3  # a step may fall short of what it stands for by so much
STREAK_BATCHES = 25  # over so many in a row, chance has to even out
LEAST_RATIO, MOST_RATIO = 0.25, 4.0  # what is slower is planned only where nothing else is there
LONGEST_TYPE = 48  # characters; a device's number follows


def planned_ratio(slowdown_ratio: float, spread_ratio: float) -> float:
    """What a device's batches are planned to take, over its profile: what the mean of a streak seldom exceeds.

    Throughput is planned from this, too; with all of the spread, an unsteady device would be planned at half of what it carries.
    """
    ratio = slowdown_ratio * math.pow(spread_ratio, 1 / math.sqrt(STREAK_BATCHES))
    return min(MOST_RATIO, max(LEAST_RATIO, ratio))


def level_of(before: int, ratio: float) -> int:
    """The step of 10 % that a device is planned at: next to its slowness, and sticky.

    It follows what executors say at once; they have weighed it already. Tremors of a few percent change nothing: plans should not follow them.

    Args:
        before: the step in force; latencies are to be multiplied by `STEP_RATIO` to that power.
        ratio: what it is planned to take at the moment, over its profile.
    """
    exact = math.log(ratio) / math.log(STEP_RATIO)
    if before - FALL_STEPS <= exact <= before + RISE_STEPS:
        return before
    return math.ceil(exact - SHORT_STEPS)


@dataclass(slots=True)
class _Ready:
    """A device whose executor is there.

    Attributes:
        broken: indices of variants that cannot be loaded or run on it.
        is_silent: whether frames that it holds are overdue.
        is_far_off: whether it is so slow that it is as good as lost.
        slowdown_ratio: as it says.
        level: the step that stands for it in plans.
    """

    broken: frozenset[int] = frozenset()
    is_silent: bool = False
    is_far_off: bool = False
    slowdown_ratio: float = 1.0
    level: int = 0

    @property
    def ratio(self) -> float:
        """What it is planned to take, over its profile."""
        return float(STEP_RATIO**self.level)


class DeviceTable:
    """The devices of the server, in the options' order."""

    def __init__(self, devices: Sequence[Device], tables: Mapping[str, ModeTable]) -> None:
        """Starts without a ready device; `tables` holds each device's modes as profiled."""
        self._types = {device.device_id: device.device_type for device in devices}
        self._ready: dict[str, _Ready] = {}
        self._tables = dict(tables)

    @property
    def num_ready(self) -> int:
        """Devices that can run frames."""
        return len(self._usable())

    def add(self, device_id: str) -> None:
        """Its executor has come, and is ready; nothing is known against it."""
        self._ready[device_id] = _Ready()

    def observe(
        self,
        device_id: str,
        slowdown_ratio: float,
        broken: Collection[int] = (),
        spread_ratio: float = 1.0,
    ) -> bool:
        """Takes in an executor's status; returns whether plans must change.

        Args:
            device_id: whose status it is; one that is not there is not observed.
            slowdown_ratio: recent batch time over the profile's median.
            broken: indices of all variants that cannot be loaded or run there.
            spread_ratio: how much wider than profiled batches spread.
        """
        one = self._ready.get(device_id)
        if one is None:
            return False
        before = one.broken, one.is_silent, one.is_far_off, one.level
        one.broken, one.is_silent = frozenset(broken), False
        if 0 < slowdown_ratio < math.inf:
            one.slowdown_ratio = slowdown_ratio
            one.is_far_off = slowdown_ratio >= FAR_OFF_RATIO
            spread_ratio = spread_ratio if 1 <= spread_ratio < math.inf else 1.0
            one.level = level_of(one.level, planned_ratio(slowdown_ratio, spread_ratio))
        return before != (one.broken, one.is_silent, one.is_far_off, one.level)

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

    def slowdowns(self) -> dict[str, float]:
        """What the devices that are there say: recent batch time over the profile's median."""
        return {device_id: one.slowdown_ratio for device_id, one in self._ready.items()}

    def problem_part(self) -> tuple[tuple[Device, ...], dict[str, ModeTable]]:
        """The usable devices, and the tables of their types.

        Devices of one type that are slowed down differently, or cannot run the same variants, are of different
        types to the planner.
        """
        usable = self._usable()
        devices: list[Device] = []
        tables: dict[str, ModeTable] = {}
        names: dict[tuple[str, int, frozenset[int]], str] = {}
        for number, (device_id, device_type) in enumerate(self._types.items()):
            if device_id not in usable:
                continue
            one = self._ready[device_id]
            is_plain = not one.level and not one.broken
            name = names.setdefault(
                (device_type, one.level, one.broken),
                device_type if is_plain else f"{device_type[:LONGEST_TYPE]}-as-{number}",
            )
            devices.append(Device(device_id, name))
            if name not in tables:
                tables[name] = self._tables[device_id].slowed(one.ratio, one.broken)
        return tuple(devices), tables

    def _usable(self) -> set[str]:
        """Devices to plan with; those that are far off only if there are no others."""
        usable = {
            device_id: one
            for device_id, one in self._ready.items()
            if not one.is_silent and len(one.broken) < self._tables[device_id].num_variants
        }
        sound = {device_id for device_id, one in usable.items() if not one.is_far_off}
        return sound or set(usable)
