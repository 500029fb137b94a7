"""How slow the devices of a run were, from the logs of their batches."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.records import BatchRecord
from ..files.csv_log import iterate_records
from ..scheduling.slowness import FLOOR_MS

LOGS = "batches-*.csv"
LIKE_RATIO = 1.1  # a profile that is off by more, for as long as this, should be measured again
LONG_MS = 600_000.0


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """How slow a device was, beside its profile.

    Attributes:
        batches: that ran frames.
        slowdown_p50: median of their times over the profile's medians; likewise slowdown_p90.
        lost_ratio: share of the time in batches that they took longer than profiled; below 0 if they took less.
        refresh: whether the profile should be measured again, as it was off all the time.
    """

    batches: int
    slowdown_p50: float
    slowdown_p90: float
    lost_ratio: float
    refresh: bool


class DeviceTally:
    """Counts the batches of a run as they end."""

    def __init__(self) -> None:
        """Has counted nothing."""
        self._devices: dict[str, _Batches] = {}

    def add(self, batch: BatchRecord) -> None:
        """Counts a batch, in the order of its device."""
        device = self._devices.get(batch.device_id)
        if device is None:
            device = self._devices[batch.device_id] = _Batches(batch.at_ms)
        took_ms, expected_ms = max(FLOOR_MS, batch.inference_ms), max(FLOOR_MS, batch.expected_ms)
        device.ratios.append(took_ms / expected_ms)
        device.took_ms += took_ms
        device.expected_ms += expected_ms
        device.last_ms = batch.at_ms

    def outcomes(self) -> Mapping[str, DeviceOutcome]:
        """What came of each device that ran a batch."""
        return {device_id: one.outcome() for device_id, one in sorted(self._devices.items())}


class _Batches:
    """Of one device."""

    def __init__(self, first_ms: float) -> None:
        self.ratios = array("d")
        self.took_ms = self.expected_ms = 0.0
        self.first_ms = self.last_ms = first_ms

    def outcome(self) -> DeviceOutcome:
        p10, p50, p90 = (float(value) for value in np.quantile(self.ratios, (0.1, 0.5, 0.9)))
        is_off = p10 > LIKE_RATIO or p90 * LIKE_RATIO < 1
        return DeviceOutcome(
            batches=len(self.ratios),
            slowdown_p50=round(p50, 4),
            slowdown_p90=round(p90, 4),
            lost_ratio=round(1 - self.expected_ms / self.took_ms, 4),
            refresh=is_off and self.last_ms - self.first_ms >= LONG_MS,
        )


def read_devices(folder: Path) -> Mapping[str, DeviceOutcome]:
    """Reads the logs of batches in a folder; there may be none.

    Raises:
        UsageError: if one is broken.
    """
    tally = DeviceTally()
    for path in sorted(folder.glob(LOGS)):
        for row in iterate_records(path, BatchRecord):
            tally.add(row)
    return tally.outcomes()
