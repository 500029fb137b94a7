"""How slow the devices of a run were, from the logs of their batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np

from ..core.records import BatchRecord
from ..files.tidy_table import read_log
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


def read_devices(folder: Path) -> Mapping[str, DeviceOutcome]:
    """Reads the logs of batches in a folder; there may be none.

    Raises:
        UsageError: if one is broken.
    """
    outcomes: dict[str, DeviceOutcome] = {}
    for path in sorted(folder.glob(LOGS)):
        log = read_log(path, get_type_hints(BatchRecord))
        if len(log):
            columns = (log[name].to_numpy() for name in ("at_ms", "inference_ms", "expected_ms"))
            outcomes[str(log["device_id"][0])] = _outcome(*columns)
    return outcomes


def _outcome(at_ms: np.ndarray, took_ms: np.ndarray, expected_ms: np.ndarray) -> DeviceOutcome:
    took_ms, expected_ms = np.maximum(FLOOR_MS, took_ms), np.maximum(FLOOR_MS, expected_ms)
    p10, p50, p90 = np.quantile(took_ms / expected_ms, (0.1, 0.5, 0.9))
    is_off = p10 > LIKE_RATIO or p90 * LIKE_RATIO < 1
    return DeviceOutcome(
        batches=len(at_ms),
        slowdown_p50=round(float(p50), 4),
        slowdown_p90=round(float(p90), 4),
        lost_ratio=round(float(1 - expected_ms.sum() / took_ms.sum()), 4),
        refresh=bool(is_off and np.ptp(at_ms) >= LONG_MS),
    )
