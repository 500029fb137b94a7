"""The samples of a measurement, kept in a file so that a second run continues the first."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

HEADER = "variant,batch_size,clock_mhz,duration_ms,power_w\n"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What one sample is a sample of."""

    variant: str
    batch_size: int
    clock_mhz: int | None = None  # None where the device is left its own


class Powered(NamedTuple):
    """How long a batch took, and what the device drew meanwhile, in the mean of the window that it belongs to."""

    duration_ms: float
    power_w: float


Samples = dict[Cell, list[float]]
"""Durations of batches (ms) by cell, in the order in which they were taken."""


class SampleFile:
    """Appends samples to a CSV file, line by line.

    Attributes:
        samples: those in the file, old and new.
        powered: those of them that were metered.
    """

    def __init__(self, path: Path, cells: Iterable[Cell]) -> None:
        """Opens or makes the file and reads the samples of `cells` that it holds already.

        A line that was cut off by a crash, or that belongs to no cell, is left out.

        Raises:
            OSError: if the file can be neither read nor made.
        """
        self.samples: Samples = {cell: [] for cell in cells}
        self.powered: dict[Cell, list[Powered]] = {cell: [] for cell in self.samples}
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        for line in whole.splitlines()[1:]:
            self._take(line)
        if whole != text or not whole.startswith(HEADER):
            kept = whole if whole.startswith(HEADER) else HEADER
            path.write_text(kept, encoding="utf-8")
        self._file = path.open("a", encoding="utf-8", buffering=1)  # nothing is lost by a kill

    def _take(self, line: str) -> None:
        try:
            variant, batch_size, clock_mhz, duration_ms, power_w = line.split(",")
            cell = Cell(variant, int(batch_size), int(clock_mhz) if clock_mhz else None)
            value, power = float(duration_ms), float(power_w) if power_w else None
        except ValueError:
            _log.warning("%r is no sample and is left out", line)
            return
        if cell in self.samples and 0 < value < math.inf and (power is None or power > 0):
            self._keep(cell, value, power)

    def _keep(self, cell: Cell, duration_ms: float, power_w: float | None) -> None:
        self.samples[cell].append(duration_ms)
        if power_w is not None:
            self.powered[cell].append(Powered(duration_ms, power_w))

    def add(self, cell: Cell, duration_ms: float, power_w: float | None = None) -> None:
        """Appends one sample, with the power of its time where that was metered."""
        self._keep(cell, duration_ms, power_w)
        clock, power = (
            "" if value is None else f"{value:.9g}" for value in (cell.clock_mhz, power_w)
        )
        self._file.write(f"{cell.variant},{cell.batch_size},{clock},{duration_ms:.4f},{power}\n")

    def lacking(self, num_samples: int) -> Sequence[Cell]:
        """The cells that have fewer than so many samples."""
        return [cell for cell, values in self.samples.items() if len(values) < num_samples]

    def close(self) -> None:
        """Writes out what is pending."""
        self._file.close()
