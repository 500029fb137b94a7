"""Reads planning problems and writes plans, both as JSON.

A problem is

    {"name": "...",
     "devices":  [{"id": "gpu0", "type": "gpu"}, ...],
     "variants": [{"name": "yolov4-128", "input_size": 128, "accuracy": 0.21, "frame_kbits": 80.3,
                   "latency_ms": {"gpu": [p99 of batch 1, of batch 2, ...]}}, ...],
     "clients":  [{"id": "c0", "fps": 15, "slo_ms": 100, "bandwidth_kbps": 20480.0, "wire_ms": 0.5}],
     "overhead_ms": 0.0}

with the smallest variant first. `name`, `wire_ms` and `overhead_ms` may be left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Set
from pathlib import Path
from typing import NoReturn, TypeVar

from ..core.checks import echo
from ..core.device import Device
from ..core.errors import UsageError
from ..core.limits import BANDWIDTH_KBPS, FPS, LATENCY_MS, OVERHEAD_MS, SLO_MS, WIRE_MS, Range
from ..core.plan import Plan
from ..core.problem import Problem
from ..core.stream import Stream
from ..core.variant import Variant
from ..scheduling.planning.rules import Score

T = TypeVar("T")

MAX_BYTES = 256 << 20


def read_problem(path: Path) -> Problem:
    """Reads and checks one problem.

    Raises:
        UsageError: naming the file, the place in it, the value and the rule.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start}: must be UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"{error.lineno}:{error.colno}"
        raise UsageError(f"{path}:{where}: must be JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{path}: must be JSON: {error}") from error
    return _Reader(path).problem(data)


def plan_as_json(
    problem: Problem, plan: Plan, score: Score, planner: str, plan_ms: float
) -> dict[str, object]:
    """Returns a plan in the form that `moonjelly plan --json` prints."""
    return {
        "devices": [
            {
                "id": device.device_id,
                "variant": problem.variants[device.variant].name,
                "batch_size": device.batch_size,
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


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


class _Reader:
    """Takes a problem apart; errors name the file and the place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def problem(self, data: object) -> Problem:
        top = self._object(
            "$",
            data,
            {"devices", "variants", "clients"},
            {"name", "overhead_ms"},
        )
        device_rows = self._list("devices", top["devices"])
        devices = tuple(self._device(f"devices[{n}]", row) for n, row in enumerate(device_rows))
        types = dict.fromkeys(device.device_type for device in devices)
        variants = []
        tables: dict[str, list[tuple[float, ...]]] = {}
        for number, row in enumerate(self._list("variants", top["variants"])):
            where = f"variants[{number}]"
            variant, table = self._variant(where, row)
            missing = [name for name in types if name not in table]
            if missing:
                self._fail(f"{where}.latency_ms", sorted(table), f"must list type {missing[0]!r}")
            variants.append(variant)
            for name, latencies in table.items():
                tables.setdefault(name, []).append(latencies)
        clients = tuple(
            self._client(f"clients[{n}]", row)
            for n, row in enumerate(self._list("clients", top["clients"]))
        )
        overhead = self._within("overhead_ms", top.get("overhead_ms", 0.0), OVERHEAD_MS)
        return self._built(
            "$",
            lambda: Problem(
                devices,
                tuple(variants),
                {name: tuple(tables.get(name, ())) for name in types},
                clients,
                overhead,
            ),
        )

    def _device(self, where: str, data: object) -> Device:
        row = self._object(where, data, {"id", "type"})
        return self._built(
            where,
            lambda: Device(
                self._string(f"{where}.id", row["id"]), self._string(f"{where}.type", row["type"])
            ),
        )

    def _variant(self, where: str, data: object) -> tuple[Variant, dict[str, tuple[float, ...]]]:
        row = self._object(
            where, data, {"name", "input_size", "accuracy", "frame_kbits", "latency_ms"}
        )
        side = self._number(f"{where}.input_size", row["input_size"])
        if side != int(side):
            self._fail(f"{where}.input_size", side, "must be whole")
        variant = self._built(
            where,
            lambda: Variant(
                self._string(f"{where}.name", row["name"]),
                int(side),
                self._number(f"{where}.accuracy", row["accuracy"]),
                self._number(f"{where}.frame_kbits", row["frame_kbits"]),
            ),
        )
        place = f"{where}.latency_ms"
        table: dict[str, tuple[float, ...]] = {}
        for name, latencies in self._object(place, row["latency_ms"], set(), None).items():
            values = self._list(f"{place}.{name}", latencies)
            if not values:
                self._fail(f"{place}.{name}", values, "must list at least batch 1")
            table[name] = tuple(
                self._within(f"{place}.{name}[{n}]", value, LATENCY_MS)
                for n, value in enumerate(values)
            )
        return variant, table

    def _client(self, where: str, data: object) -> Stream:
        row = self._object(where, data, {"id", "fps", "slo_ms", "bandwidth_kbps"}, {"wire_ms"})
        return self._built(
            where,
            lambda: Stream(
                self._string(f"{where}.id", row["id"]),
                self._within(f"{where}.fps", row["fps"], FPS),
                self._within(f"{where}.slo_ms", row["slo_ms"], SLO_MS),
                self._bandwidth(f"{where}.bandwidth_kbps", row["bandwidth_kbps"]),
                self._within(f"{where}.wire_ms", row.get("wire_ms", 0.0), WIRE_MS),
            ),
        )

    def _object(
        self,
        where: str,
        data: object,
        required: Set[str],
        optional: Set[str] | None = frozenset(),
    ) -> dict[str, object]:
        """Checks the fields of an object; with `optional` None any others may be there."""
        if not isinstance(data, dict):
            self._fail(where, data, "must be an object")
        for name in sorted(required - data.keys()):
            self._fail(f"{where}.{name}".removeprefix("$."), None, "is missing")
        if optional is not None:
            for name in sorted(data.keys() - required - optional):
                self._fail(
                    f"{where}.{echo(name)[1:-1]}".removeprefix("$."), data[name], "is not a field"
                )
        return data

    def _list(self, where: str, data: object) -> list[object]:
        if not isinstance(data, list):
            self._fail(where, data, "must be a list")
        return data

    def _string(self, where: str, data: object) -> str:
        if not isinstance(data, str):
            self._fail(where, data, "must be a string")
        return data

    def _number(self, where: str, data: object) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self._fail(where, data, "must be a number")
        try:
            value = float(data)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):  # 1e999 is infinite
            self._fail(where, data, "must be a finite number")
        return value

    def _within(self, where: str, data: object, limits: Range) -> float:
        value = self._number(where, data)
        if limits.problem("", value):
            self._fail(where, value, f"must be {limits}")
        return value

    def _bandwidth(self, where: str, data: object) -> float:
        """A rate; 0 where the link is down."""
        return 0.0 if self._number(where, data) == 0 else self._within(where, data, BANDWIDTH_KBPS)

    def _built(self, where: str, build: Callable[[], T]) -> T:
        try:
            return build()
        except ValueError as error:
            raise UsageError(f"{self._path}: {where}: {error}") from error

    def _fail(self, where: str, value: object, rule: str) -> NoReturn:
        shown = "" if value is None else f"{echo(value)} "
        raise UsageError(f"{self._path}: {where}: {shown}{rule}")
