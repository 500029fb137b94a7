"""What planning knows of the devices: who is there, what it can run, and how slow it is today."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core.device import AnnouncedDevice, Device
from ..core.mode import ModeTable
from ..core.profile import BatchLatency, LatencyProfile
from ..core.variant import Variant
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
    """A device that is there.

    Attributes:
        announced: what it says of itself.
        modes: as profiled; any that is known in place of a variant that it does not have.
        missing: indices of these.
        broken: indices of all variants that cannot be loaded or run on it.
        is_silent: whether frames that it holds are overdue.
        is_far_off: whether it is so slow that it is as good as lost.
        said: how slow it says it is.
        planned: what it is planned at.
    """

    announced: AnnouncedDevice
    modes: ModeTable
    missing: frozenset[int]
    broken: frozenset[int]
    is_silent: bool = False
    is_far_off: bool = False
    said: Slowness = AS_PROFILED
    planned: Slowness = AS_PROFILED

    def middle(self, slowness: Slowness) -> float:
        """How slow that is at the middle of what it runs."""
        return slowness.at(math.sqrt(math.prod(self.modes.span_ms)))


class DeviceTable:
    """The devices of the server: those that are expected, in their order, and then the others by name.

    Devices come, leave and come again with a higher generation. What is said of a generation that is over changes nothing, so the
    order in which several peers' words arrive does not matter.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        max_batch_size: int,
        expected: Sequence[str],
        clocked: Mapping[str, ModeTable] | None = None,
    ) -> None:
        """Starts without a device.

        Args:
            variants: least accurate first.
            max_batch_size: the largest that is planned.
            expected: ids of the devices that the first plan waits for.
            clocked: device id to what its modes cost by clock, with energy, for plans that choose clocks; it goes before what
                the device says.
        """
        clocked = clocked or {}
        self._clocked = {name: table.up_to(max_batch_size) for name, table in clocked.items()}
        self._variants = tuple(variants)
        self._max_batch_size = max_batch_size
        self._expected = {device_id: number for number, device_id in enumerate(expected)}
        self._generations: dict[str, int] = {}  # the newest that is known, also of who has gone
        self._ready: dict[str, _Ready] = {}
        self._slowed: dict[
            tuple[object, ...], ModeTable
        ] = {}  # of the last problem, by what it depends on

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
        modes = self._clocked.get(device_id, modes)
        fresh = _Ready(announced, modes, missing, missing)
        if known is not None and generation == newest:
            fresh = replace(known, announced=announced, modes=modes, missing=missing)
        self._ready[device_id] = fresh
        return True

    def _modes(self, profile: LatencyProfile) -> tuple[ModeTable, frozenset[int]]:
        """What a device can run, and the indices of the variants that it does not have."""
        known = profile.by_variant
        missing = frozenset(k for k, one in enumerate(self._variants) if one.name not in known)
        other = next(iter(known.values()), BatchLatency((1.0,), (1.0,)))
        rows = [known.get(one.name, other) for one in self._variants]
        modes = ModeTable(
            tuple(row.p99_ms[: self._max_batch_size] for row in rows),
            tuple(row.p50_ms[: self._max_batch_size] for row in rows),
        )
        return modes, missing

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
        one.broken, one.is_silent = one.missing | frozenset(broken), False
        if slowness.is_sound:
            span_ms = one.modes.span_ms
            one.said = slowness
            one.is_far_off = slowness.is_far_off(span_ms)
            one.planned = planned_slowness(one.planned, slowness, span_ms)
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

    def slowdowns(self) -> dict[str, float]:
        """Batch time over the profile's median, of the devices that are there: at the middle of what they run."""
        return {device_id: one.middle(one.said) for device_id, one in self._ready.items()}

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
            alike = (kind, one.modes, reach_ms, one.planned, one.broken)
            name = names.get(alike)
            if name is None:
                is_plain = one.planned == AS_PROFILED and not (one.broken or kind in tables)
                name = kind if is_plain else f"{kind[:LONGEST_TYPE]}-as-{number}"
                names[alike] = name
                tables[name] = self._slowed.get(alike) or one.modes.slowed(
                    one.planned.at, one.planned.spread_ratio, one.broken, reach_ms
                )
            devices.append(Device(device_id, name, one.middle(one.planned)))
        self._slowed = {alike: tables[name] for alike, name in names.items()}
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
