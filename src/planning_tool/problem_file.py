"""Reads planning problems and writes plans, both as JSON.

A problem is

    {"name": "...",
     "devices":  [{"id": "gpu0", "type": "gpu"}, ...],
     "variants": [{"name": "yolov4-128", "input_size": 128, "accuracy": 0.21, "frame_kbits": 80.3,
                   "latency_ms": {"gpu": [p99 of batch 1, of batch 2, ...]}}, ...],
     "clients":  [{"id": "c0", "fps": 15, "slo_ms": 100, "bandwidth_kbps": 20480.0, "wire_ms": 0.5}],
     "overhead_ms": 0.0}

with the smallest variant first. `name`, `wire_ms` and `overhead_ms` may be left out. A device may have a `slowdown`: how many times
as long as its type it takes; to the planner that is a type of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

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
from ..scheduling.slowness import LEAST_RATIO, MOST_RATIO

SLOWDOWN = Range(LEAST_RATIO, MOST_RATIO)
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
class _Variant:
    name: str
    input_size: Annotated[int, ReadBy(_whole, float)]
    accuracy: float
    frame_kbits: float
    latency_ms: Mapping[str, Latencies]

    def noun(self) -> tuple[Variant, Mapping[str, tuple[float, ...]]]:
        variant = Variant(self.name, self.input_size, self.accuracy, self.frame_kbits)
        return variant, self.latency_ms


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
    name: str = ""
    overhead_ms: float = option(0.0, limits=OVERHEAD_MS)

    def __post_init__(self) -> None:
        check_ranges(self)


def read_problem(path: Path) -> Problem:
    """Reads and checks one problem.

    Raises:
        UsageError: naming the file, the place in it, the value and the rule.
    """
    document = read_json(path, MAX_BYTES)
    file = document.read(_ProblemFile)
    types = dict.fromkeys(device.device_type for device in file.devices)
    for number, (_, latency_ms) in enumerate(file.variants):
        for name in types.keys() - latency_ms.keys():
            place = ("variants", number, "latency_ms")
            raise document.error(place, f"{echo(sorted(latency_ms))}: must list type {name!r}")
    with document.blamed():
        profiled = {
            name: ModeTable(tuple(latency_ms[name] for _, latency_ms in file.variants))
            for name in types
        }
        return Problem(
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
            }
            for device in plan.devices
        ],
        "clients": [
            {"id": stream.stream_id, "device": plan.placement[stream.stream_id]}
            for stream in problem.streams
        ],
        "served_ratio": score.served_ratio,
        "accuracy_per_request": score.accuracy_per_request,
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
