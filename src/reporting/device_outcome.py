"""How slow the devices of a run were, and what they loaded, from the logs of their batches and loads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np

from ..core.records import BatchRecord, LoadRecord
from ..files.tidy_table import read_log
from ..scheduling.cores.device.instructions import LoadCause
from ..scheduling.slowness import FLOOR_MS

LOGS = "batches-*.csv"
LOAD_LOGS = "loads-*.csv"
LIKE_RATIO = 1.1  # a profile that is off by more, for as long as this, should be measured again
LONG_MS = 600_000.0


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """How slow a device was, beside its profile, and what it loaded.

    Attributes:
        batches: that ran frames.
        slowdown_p50: median of their times over the profile's medians; likewise slowdown_p90.
        lost_ratio: share of the time in batches that they took longer than profiled; below 0 if they took less.
        refresh: whether the profile should be measured again, as it was off all the time.
        loads: variants loaded beside its batches; likewise planned_loads, for which a plan waited.
        load_ms: what all loads took together; likewise worst_load_ms, the longest.
    """

    batches: int
    slowdown_p50: float
    slowdown_p90: float
    lost_ratio: float
    refresh: bool
    loads: int = 0
    planned_loads: int = 0
    load_ms: float = 0.0
    worst_load_ms: float = 0.0


def read_devices(folder: Path) -> Mapping[str, DeviceOutcome]:
    """Reads the logs of batches and loads in a folder; there may be none.

    Raises:
        UsageError: if one is broken.
    """
    loads: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for path in sorted(folder.glob(LOAD_LOGS)):
        for load in read_log(path, get_type_hints(LoadRecord)).to_dicts():
            loads[str(load["device_id"])].append((str(load["cause"]), float(load["load_ms"])))
    outcomes: dict[str, DeviceOutcome] = {}
    for path in sorted(folder.glob(LOGS)):
        log = read_log(path, get_type_hints(BatchRecord))
        if len(log):
            device_id = str(log["device_id"][0])
            columns = (log[name].to_numpy() for name in ("at_ms", "inference_ms", "expected_ms"))
            outcomes[device_id] = _outcome(loads[device_id], *columns)
    return outcomes


def _outcome(
    loads: Sequence[tuple[str, float]],
    at_ms: np.ndarray,
    took_ms: np.ndarray,
    expected_ms: np.ndarray,
) -> DeviceOutcome:
    took_ms, expected_ms = np.maximum(FLOOR_MS, took_ms), np.maximum(FLOOR_MS, expected_ms)
    p10, p50, p90 = np.quantile(took_ms / expected_ms, (0.1, 0.5, 0.9))
    is_off = p10 > LIKE_RATIO or p90 * LIKE_RATIO < 1
    return DeviceOutcome(
        batches=len(at_ms),
        slowdown_p50=round(float(p50), 4),
        slowdown_p90=round(float(p90), 4),
        lost_ratio=round(float(1 - expected_ms.sum() / took_ms.sum()), 4),
        refresh=bool(is_off and np.ptp(at_ms) >= LONG_MS),
        loads=len(loads),
        planned_loads=sum(cause == LoadCause.PLAN for cause, _ in loads),
        load_ms=round(sum(load_ms for _, load_ms in loads), 4),
        worst_load_ms=round(max((load_ms for _, load_ms in loads), default=0.0), 4),
    )
