"""Reads planning problems and writes plans, both as JSON.

A problem is

    {"name": "...",
     "devices":  [{"id": "gpu0", "type": "gpu"}, ...],
     "variants": [{"name": "yolov4-128", "input_size": 128, "accuracy": 0.21, "frame_kbits": 80.3,
                   "latency_ms": {"gpu": [p99 of batch 1, of batch 2, ...]}}, ...],
     "clients":  [{"id": "c0", "fps": 15, "slo_ms": 100, "bandwidth_kbps": 20480.0, "wire_ms": 0.5}],
     "overhead_ms": 0.0}

with the smallest variant first. `name`, `wire_ms` and `overhead_ms` may be left out. Clients may be called `TENANT/NAME`, and
`"tenants": {"north": {"priority": -5, "min_fps": 30}, ...}` says what tenants are entitled to. A device may have a `slowdown`: how many times
as long as its type it takes; to the planner that is a type of its own.

Where energy is to count, the problem has `"idle_w": {"gpu": 4.5}`, what devices of a type draw at their lowest clock while nothing
runs, and each variant

     "clocks": {"gpu": [{"clock_mhz": 905, "latency_ms": [...], "above_idle_mj": [of a frame in batch 1, 2, ...]}, ...]}

with the lowest clock first and all that a frame takes above idle; it may not rise with the batch. `latency_ms` is then that at the
highest clock and may be left out.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

from ..core.checks import echo
from ..core.device import Device
from ..core.limits import BANDWIDTH_KBPS, FPS, LATENCY_MS, OVERHEAD_MS, SLO_MS, WIRE_MS, Range
from ..core.mode import ModeTable
from ..core.options import check_ranges, option, required
from ..core.plan import Plan
from ..core.problem import Problem
from ..core.stream import Stream
from ..core.variant import Variant
from ..files.document import ReadBy
from ..files.json_file import read_json
from ..scheduling.planning.rules import Score
from ..scheduling.sharing.entitlements import Entitlement, Entitlements, check_floors
from ..scheduling.slowness import LEAST_RATIO, MOST_RATIO

SLOWDOWN = Range(LEAST_RATIO, MOST_RATIO)
CLOCK_MHZ = Range(1, 100_000)
POWER_W = Range(0, 1e6)
ENERGY_MJ = Range(1e-3, 1e9)
MAX_BYTES = 256 << 20


def _latencies(values: tuple[float, ...]) -> tuple[float, ...]:
    if not values:
        raise ValueError("[]: must list at least batch 1")
    return values


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError(f"{echo(value)}: must be whole")
    return int(value)


def _rate(value: float) -> float:
    """Of a link; 0 while it is down."""
    return value and BANDWIDTH_KBPS.require("bandwidth_kbps", value)


LatencyMs = Annotated[float, ReadBy(functools.partial(LATENCY_MS.require, "latency_ms"))]
Watts = Annotated[float, ReadBy(functools.partial(POWER_W.require, "idle_w"))]
EnergyMj = Annotated[float, ReadBy(functools.partial(ENERGY_MJ.require, "above_idle_mj"))]
Energies = tuple[EnergyMj, ...]
Latencies = Annotated[tuple[LatencyMs, ...], ReadBy(_latencies)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Device:
    id: str
    type: str
    slowdown: float = option(1.0, limits=SLOWDOWN)

    def noun(self) -> Device:
        check_ranges(self)
        return Device(self.id, self.type, self.slowdown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """What batches of one variant take at a clock."""

    clock_mhz: float = required(CLOCK_MHZ)
    latency_ms: Latencies
    above_idle_mj: Energies

    def __post_init__(self) -> None:
        check_ranges(self)
        if len(self.above_idle_mj) != len(self.latency_ms):
            raise ValueError(
                f"above_idle_mj: must list {len(self.latency_ms)} batches, as latency_ms does"
            )
        for before, after in pairwise(self.above_idle_mj):
            if after > before:
                raise ValueError(f"above_idle_mj={after:g}: must not rise with the batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    name: str
    input_size: Annotated[int, ReadBy(_whole, float)]
    accuracy: float
    frame_kbits: float
    latency_ms: Mapping[str, Latencies] = field(default_factory=dict)
    clocks: Mapping[str, tuple[_Clock, ...]] = field(default_factory=dict)

    def noun(self) -> tuple[Variant, Self]:
        return Variant(self.name, self.input_size, self.accuracy, self.frame_kbits), self

    def row_ms(self, device_type: str) -> tuple[float, ...]:
        """Its latencies at the device's own clock; empty if it has none on such a device."""
        clocks = self.clocks.get(device_type)
        return clocks[-1].latency_ms if clocks else self.latency_ms.get(device_type, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    id: str
    fps: float = required(FPS)
    slo_ms: float = required(SLO_MS)
    bandwidth_kbps: Annotated[float, ReadBy(_rate)]
    wire_ms: float = option(0.0, limits=WIRE_MS)

    def noun(self) -> Stream:
        check_ranges(self)
        return Stream(self.id, self.fps, self.slo_ms, self.bandwidth_kbps, self.wire_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProblemFile:
    """What a file says; its entries become the nouns."""

    devices: tuple[Annotated[Device, ReadBy(_Device.noun, _Device)], ...]
    variants: tuple[Annotated[Any, ReadBy(_Variant.noun, _Variant)], ...]
    clients: tuple[Annotated[Stream, ReadBy(_Stream.noun, _Stream)], ...]
    idle_w: Mapping[str, Watts] = field(default_factory=dict)
    name: str = ""
    overhead_ms: float = option(0.0, limits=OVERHEAD_MS)
    tenants: Mapping[str, Entitlement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_ranges(self)
        check_floors(self.tenants.values())


def read_problem(path: Path) -> Problem:
    """Reads one problem; see `read_shared_problem`."""
    return read_shared_problem(path)[0]


def read_shared_problem(path: Path) -> tuple[Problem, Entitlements]:
    """Reads and checks one problem, and what its tenants are entitled to.

    Raises:
        UsageError: naming the file, the place in it, the value and the rule.
    """
    document = read_json(path, MAX_BYTES)
    file = document.read(_ProblemFile)
    types = dict.fromkeys(device.device_type for device in file.devices)
    for number, (_, said) in enumerate(file.variants):
        for name in types:
            if not said.row_ms(name):
                place = ("variants", number, "latency_ms")
                listed = echo(sorted(said.latency_ms))
                raise document.error(place, f"{listed}: must list type {name!r}")
    with document.blamed():
        profiled = {name: _table(name, file) for name in types}
        problem = Problem(
            tuple(_slowed(one) for one in file.devices),
            tuple(variant for variant, _ in file.variants),
            {
                _slowed(one).device_type: profiled[one.device_type].slowed(
                    functools.partial(_alike, one.slowdown_ratio)
                )
                for one in file.devices
            },
            file.clients,
            file.overhead_ms,
        )
    return problem, file.tenants


def _table(device_type: str, file: _ProblemFile) -> ModeTable:
    """What a type's modes cost, at each clock where the file tells of clocks."""
    said: list[_Variant] = [said for _, said in file.variants]
    clocks = {one.name: found for one in said if (found := one.clocks.get(device_type))}
    if not clocks:
        return ModeTable(tuple(one.row_ms(device_type) for one in said))
    clocks_mhz = [one.clock_mhz for one in next(iter(clocks.values()))]
    for one in said:
        own_mhz = [clock.clock_mhz for clock in clocks.get(one.name, ())]
        if own_mhz != clocks_mhz or own_mhz != sorted(set(own_mhz)):
            raise ValueError(
                f"clocks of {one.name!r} on {device_type!r}: every variant must list the same ones, the lowest first"
            )
    idle_w = file.idle_w.get(device_type)
    if idle_w is None:
        raise ValueError(f"idle_w: must list type {device_type!r}, which has clocks")
    tables = tuple(
        ModeTable(
            tuple(clocks[one.name][number].latency_ms for one in said),
            above_idle_rows_mj=tuple(clocks[one.name][number].above_idle_mj for one in said),
            idle_w=idle_w,
            clock_mhz=clock_mhz,
        )
        for number, clock_mhz in enumerate(clocks_mhz)
    )
    return replace(tables[-1], clock_mhz=None, by_clock=tables)


def plan_as_json(
    problem: Problem, plan: Plan, score: Score, planner: str, plan_ms: float
) -> dict[str, object]:
    """Returns a plan in the form that `moonjelly plan --json` prints."""
    return {
        "devices": [
            {
                "id": device.device_id,
                "variant": problem.variants[device.mode.variant].name,
                "batch_size": device.mode.batch_size,
                **({} if device.mode.clock_mhz is None else {"clock_mhz": device.mode.clock_mhz}),
            }
            for device in plan.devices
        ],
        "clients": [
            {"id": stream.stream_id, "device": plan.placement[stream.stream_id]}
            for stream in problem.streams
        ],
        "served_ratio": score.served_ratio,
        "accuracy_per_request": score.accuracy_per_request,
        **({} if score.power is None else {"power_w": score.power.total_w}),
        "plan_ms": round(plan_ms, 3),
        "planner": planner,
    }


def _slowed(device: Device) -> Device:
    """The device, of a type that is as slow."""
    if device.slowdown_ratio == 1:
        return device
    return replace(device, device_type=f"{device.device_type}-x{device.slowdown_ratio:g}")


def _alike(ratio: float, _: float) -> float:
    return ratio
