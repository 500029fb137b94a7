"""How busy the machine was while cameras were emulated: whether a run can be trusted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..files.json_file import read_json, write_json

LOAD_FILE = "load.json"
STARVED_LATE_MS = 10.0


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


def starved_words(folder: Path) -> str:
    """Says so if the machine was too busy for the run of a folder; empty if not, or nothing was played there.

    Raises:
        UsageError: if the file of its load is broken.
    """
    if not (folder / LOAD_FILE).exists():
        return ""
    load = read_load(folder)
    late_ms = load.capture_late_p99_ms
    return f"STARVED: frames captured up to {late_ms:.0f} ms late" if load.is_starved else ""
