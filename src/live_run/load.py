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
    """Measures until `run` is cancelled; one at a time in a thread."""

    def __init__(self) -> None:
        self._late_ms: list[float] = []
        psutil.cpu_percent()  # what it says next counts from here

    async def run(self) -> None:
        """Sleeps again and again, and notes by how much too long."""
        while True:
            due_s = time.monotonic() + _PERIOD_S
            await asyncio.sleep(_PERIOD_S)
            self._late_ms.append(1000 * (time.monotonic() - due_s))

    def load(self) -> MachineLoad:
        """What was measured so far."""
        p50_ms, p99_ms, max_ms = np.quantile(self._late_ms or [0.0], [0.5, 0.99, 1.0])
        return MachineLoad(
            processor_ratio=round(psutil.cpu_percent() / 100, 3),
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
