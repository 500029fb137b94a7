"""How busy the machine was while cameras were emulated: whether a run can be trusted."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from ..files.json_file import read_json, write_json

LOAD_FILE = "load.json"
STARVED_LATE_MS = 10.0
_PERIOD_S = 0.02


@dataclass(frozen=True, slots=True)
class MachineLoad:
    """The load of a machine during a run.

    Attributes:
        processor_ratio: share of the time of all processors that something ran on them.
        capture_late_p50_ms: how much later than asked for the cameras' process woke up, median; so much
            later frames were captured. Likewise capture_late_p99_ms and capture_late_max_ms.
    """

    processor_ratio: float
    capture_late_p50_ms: float
    capture_late_p99_ms: float
    capture_late_max_ms: float

    @property
    def is_starved(self) -> bool:
        """Whether the emulation itself made frames late."""
        return self.capture_late_p99_ms > STARVED_LATE_MS


class LoadMeter:
    """Measures from `run` on until that is cancelled."""

    def __init__(self) -> None:
        self._late_ms: list[float] = []
        self._before = psutil.cpu_times()

    async def run(self) -> None:
        """Sleeps again and again, and notes by how much too long."""
        while True:
            due_s = time.monotonic() + _PERIOD_S
            await asyncio.sleep(_PERIOD_S)
            self._late_ms.append(1000 * (time.monotonic() - due_s))

    def load(self) -> MachineLoad:
        """What was measured so far."""
        after = psutil.cpu_times()
        spent = {name: getattr(after, name) - getattr(self._before, name) for name in after._fields}
        # what guests used is counted under `user` and `nice` as well
        total_s = sum(spent.values()) - spent.get("guest", 0.0) - spent.get("guest_nice", 0.0)
        idle_s = spent["idle"] + spent.get("iowait", 0.0)
        p50_ms, p99_ms, max_ms = np.quantile(self._late_ms or [0.0], [0.5, 0.99, 1.0])
        return MachineLoad(
            processor_ratio=round(1 - idle_s / total_s, 3) if total_s > 0 else 0.0,
            capture_late_p50_ms=round(float(p50_ms), 3),
            capture_late_p99_ms=round(float(p99_ms), 3),
            capture_late_max_ms=round(float(max_ms), 3),
        )


def worst_load(loads: Iterable[MachineLoad]) -> MachineLoad:
    """The largest of each value over several machines, at least one."""
    rows = [dataclasses.astuple(load) for load in loads]
    return MachineLoad(*(max(values) for values in zip(*rows, strict=True)))


def write_load(folder: Path, load: MachineLoad) -> None:
    """Writes `load.json`, whole or not at all."""
    write_json(folder / LOAD_FILE, dataclasses.asdict(load))


def read_load(folder: Path) -> MachineLoad:
    """Reads what `write_load` wrote; UsageError if it is missing or broken."""
    return read_json(folder / LOAD_FILE).read(MachineLoad)
