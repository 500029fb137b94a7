"""What planning knows of the devices: who is there, what it can run, and how slow it is today."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ..core.device import AnnouncedDevice, Device
from ..core.mode import ModeTable
from ..core.profile import BatchLatency, LatencyProfile
from ..core.variant import Variant
from .slowdown import FAR_OFF_RATIO

STEP_RATIO = 1.1
RISE_STEPS, FALL_STEPS = 0.8, 1.3
SHORT_STEPS = 0.3  # a step may fall short of what it stands for by so much
STREAK_BATCHES = 25  # over so many in a row, chance has to even out
LEAST_RATIO, MOST_RATIO = 0.25, 4.0  # what is slower is planned only where nothing else is there
_NEVER = BatchLatency((1.0,), (1.0,))  # in place of a variant that a device does not have
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
    """A device that is there.

    Attributes:
        announced: what it says of itself.
        modes: as profiled; endless for variants that it does not have.
        missing: indices of these.
        broken: indices of all variants that cannot be loaded or run on it.
        is_silent: whether frames that it holds are overdue.
        is_far_off: whether it is so slow that it is as good as lost.
        slowdown_ratio: as it says.
        level: the step that stands for it in plans.
    """

    announced: AnnouncedDevice
    modes: ModeTable
    missing: frozenset[int]
    broken: frozenset[int]
    is_silent: bool = False
    is_far_off: bool = False
    slowdown_ratio: float = 1.0
    level: int = 0

    @property
    def ratio(self) -> float:
        """What it is planned to take, over its profile."""
        return float(STEP_RATIO**self.level)


class DeviceTable:
    """The devices of the server: those that are expected, in their order, and then the others by name.

    Devices come, leave and come again with a higher generation. What is said of a generation that is over changes nothing, so the
    order in which several peers' words arrive does not matter.
    """

    def __init__(
        self, variants: Sequence[Variant], max_batch_size: int, expected: Sequence[str]
    ) -> None:
        """Starts without a device.

        Args:
            variants: least accurate first.
            max_batch_size: the largest that is planned.
            expected: ids of the devices that the first plan waits for.
        """
        self._variants = tuple(variants)
        self._max_batch_size = max_batch_size
        self._expected = {device_id: number for number, device_id in enumerate(expected)}
        self._generations: dict[str, int] = {}  # the newest that is known, also of who has gone
        self._ready: dict[str, _Ready] = {}

    @property
    def device_ids(self) -> Collection[str]:
        """Who is there."""
        return self._ready.keys()

    @property
    def num_ready(self) -> int:
        """Devices that can run frames."""
        return len(self._usable())

    @property
    def has_all_expected(self) -> bool:
        """Whether all devices are there that the first plan waits for."""
        return self._expected.keys() <= self._ready.keys()

    def announce(self, announced: AnnouncedDevice) -> bool:
        """A device is there, or says something else than before; returns whether that is news.

        Of one that is new, or has a new generation, nothing is known that speaks against it.
        """
        device_id, generation = announced.device_id, announced.generation
        known = self._ready.get(device_id)
        newest = self._generations.get(device_id, -1)
        if generation < newest or (generation == newest and known is None):
            return False  # it is over
        if known is not None and generation == newest and known.announced == announced:
            return False
        self._generations[device_id] = generation
        modes, missing = self._modes(announced.profile)
        fresh = _Ready(announced, modes, missing, missing)
        if known is not None and generation == newest:
            fresh = replace(known, announced=announced, modes=modes, missing=missing)
        self._ready[device_id] = fresh
        return True

    def _modes(self, profile: LatencyProfile) -> tuple[ModeTable, frozenset[int]]:
        """What a device can run, and the indices of the variants that it does not have."""
        known = profile.by_variant
        missing = frozenset(k for k, one in enumerate(self._variants) if one.name not in known)
        rows = [known.get(one.name, _NEVER) for one in self._variants]
        modes = ModeTable(
            tuple(row.p99_ms[: self._max_batch_size] for row in rows),
            tuple(row.p50_ms[: self._max_batch_size] for row in rows),
        )
        return modes.slowed(1.0, missing), missing

    def lose(self, device_id: str, generation: int) -> bool:
        """A generation of a device, and with it the earlier ones, is over; returns whether it was there."""
        if generation < self._generations.get(device_id, -1):
            return False
        self._generations[device_id] = generation
        return self._ready.pop(device_id, None) is not None

    def is_current(self, device_id: str, generation: int) -> bool:
        """Whether that generation of a device is there."""
        one = self._ready.get(device_id)
        return one is not None and one.announced.generation == generation

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
        one.broken, one.is_silent = one.missing | frozenset(broken), False
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

    def slowdowns(self) -> dict[str, float]:
        """What the devices that are there say: recent batch time over the profile's median."""
        return {device_id: one.slowdown_ratio for device_id, one in self._ready.items()}

    def problem_part(self) -> tuple[tuple[Device, ...], dict[str, ModeTable]]:
        """The usable devices, and the tables of their types.

        Devices of one type that are slowed down differently, or cannot run the same variants, are of different
        types to the planner.
        """
        devices: list[Device] = []
        tables: dict[str, ModeTable] = {}
        names: dict[tuple[object, ...], str] = {}
        for number, device_id in self._in_order(self._usable()):
            one = self._ready[device_id]
            kind, reach_ms = one.announced.device.device_type, one.announced.reach_ms
            alike = (kind, one.modes, reach_ms, one.level, one.broken)
            name = names.get(alike)
            if name is None:
                is_plain = not (one.level or one.broken or kind in tables)
                name = kind if is_plain else f"{kind[:LONGEST_TYPE]}-as-{number}"
                names[alike] = name
                tables[name] = one.modes.slowed(one.ratio, one.broken, reach_ms)
            devices.append(Device(device_id, name))
        return tuple(devices), tables

    def _in_order(self, device_ids: Collection[str]) -> list[tuple[int, str]]:
        """Devices with their numbers, which no order of arrival changes."""
        strangers = sorted(self._ready.keys() - self._expected.keys())
        numbers = self._expected | {
            device_id: len(self._expected) + number for number, device_id in enumerate(strangers)
        }
        return sorted((numbers[device_id], device_id) for device_id in device_ids)

    def _usable(self) -> set[str]:
        """Devices to plan with; those that are far off only if there are no others."""
        usable = {
            device_id: one
            for device_id, one in self._ready.items()
            if not (one.is_silent or one.announced.is_leaving)
            and len(one.broken) < len(self._variants)
        }
        sound = {device_id for device_id, one in usable.items() if not one.is_far_off}
        return sound or set(usable)
