"""What planning knows of the devices: who is there, what it can run, and how slow it is today."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.device import Device
from ..core.mode import ModeTable
from .slowness import AS_PROFILED, FAR_OFF_RATIO, Slowness

STEP_RATIO = 1.05
RISE_RATIO, FALL_RATIO = 1.06, 1.08
LEAST_STEPS = 0.3  # a spread may fall short of its tail by so much
TREMOR = 0.1  # of the logarithm of a spread, by which its device trembles
PAIR = math.sqrt(0.5)  # of the logarithm of a spread, that of two batches in a row
LONGEST_TYPE = 48  # characters; a device's number follows

Span = tuple[float, float]


def planned_slowness(before: Slowness, said: Slowness, span_ms: Span) -> Slowness:
    """What a device is planned at: next to its slowness, and sticky.

    It follows what executors say at once; they have weighed it already. Tremors of a few percent change nothing: plans should not
    follow them. Rounded to steps of 5 %, so that devices that do alike are alike to the planner. Its tail is that of two batches in
    a row, as a frame may have to wait for one and runs in the next: not each of them will be the one in a hundred.

    Args:
        before: what is in force.
        said: how slow it is at the moment.
        span_ms: the profile's shortest median and its longest.
    """
    if said.is_far_off(span_ms):
        return Slowness(FAR_OFF_RATIO)  # where nothing else is there
    unsteady = max(1.0, said.spread_ratio)
    said = replace(said, spread_ratio=said.spread_ratio**PAIR)
    changes = said.over(before, span_ms)
    is_like = max(changes) <= RISE_RATIO * unsteady**TREMOR
    if is_like and min(changes) * FALL_RATIO * unsteady ** (2 * TREMOR) >= 1:
        return before
    extra_step_ms = (STEP_RATIO - 1) * span_ms[0]
    return Slowness(
        STEP_RATIO ** round(_steps(said.ratio)),
        round(said.extra_ms / extra_step_ms) * extra_step_ms,
        STEP_RATIO ** math.ceil(_steps(said.spread_ratio) - LEAST_STEPS),
    )


def _steps(ratio: float) -> float:
    return math.log(ratio) / math.log(STEP_RATIO)


@dataclass(slots=True)
class _Ready:
    """A device whose executor is there.

    Attributes:
        broken: indices of variants that cannot be loaded or run on it.
        is_silent: whether frames that it holds are overdue.
        is_far_off: whether it is so slow that it is as good as lost.
        said: how slow it says it is.
        planned: what it is planned at.
        table: what its modes then cost.
    """

    table: ModeTable
    broken: frozenset[int] = frozenset()
    is_silent: bool = False
    is_far_off: bool = False
    said: Slowness = AS_PROFILED
    planned: Slowness = AS_PROFILED


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
        self._ready[device_id] = _Ready(self._tables[device_id])

    def observe(
        self,
        device_id: str,
        slowness: Slowness,
        broken: Collection[int] = (),
    ) -> bool:
        """Takes in an executor's status; returns whether plans must change.

        Args:
            device_id: whose status it is; one that is not there is not observed.
            slowness: of the device; what is not sound is not heard.
            broken: indices of all variants that cannot be loaded or run there.
        """
        one = self._ready.get(device_id)
        if one is None:
            return False
        before = one.broken, one.is_silent, one.is_far_off, one.planned
        one.broken, one.is_silent = frozenset(broken), False
        if slowness.is_sound:
            span_ms = self._tables[device_id].span_ms
            one.said = slowness
            one.is_far_off = slowness.is_far_off(span_ms)
            one.planned = planned_slowness(one.planned, slowness, span_ms)
        if (one.broken, one.planned) != (before[0], before[3]):
            one.table = self._tables[device_id].slowed(
                one.planned.at, one.planned.spread_ratio, one.broken
            )
        return before != (one.broken, one.is_silent, one.is_far_off, one.planned)

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
        """Batch time over the profile's median, of the devices that are there: at the middle of what they run."""
        return {
            device_id: self._middle(device_id, one.said) for device_id, one in self._ready.items()
        }

    def problem_part(self) -> tuple[tuple[Device, ...], dict[str, ModeTable]]:
        """The usable devices, and the tables of their types.

        Devices of one type that are slowed down differently, or cannot run the same variants, are of different
        types to the planner.
        """
        usable = self._usable()
        devices: list[Device] = []
        tables: dict[str, ModeTable] = {}
        names: dict[tuple[str, Slowness, frozenset[int]], str] = {}
        for number, (device_id, device_type) in enumerate(self._types.items()):
            if device_id not in usable:
                continue
            one = self._ready[device_id]
            is_plain = one.planned == AS_PROFILED and not one.broken
            name = names.setdefault(
                (device_type, one.planned, one.broken),
                device_type if is_plain else f"{device_type[:LONGEST_TYPE]}-as-{number}",
            )
            devices.append(Device(device_id, name, self._middle(device_id, one.planned)))
            tables.setdefault(name, one.table)
        return tuple(devices), tables

    def _middle(self, device_id: str, slowness: Slowness) -> float:
        return slowness.at(math.sqrt(math.prod(self._tables[device_id].span_ms)))

    def _usable(self) -> set[str]:
        """Devices to plan with; those that are far off only if there are no others."""
        usable = {
            device_id: one
            for device_id, one in self._ready.items()
            if not one.is_silent and len(one.broken) < self._tables[device_id].num_variants
        }
        sound = {device_id for device_id, one in usable.items() if not one.is_far_off}
        return sound or set(usable)
