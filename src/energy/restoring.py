"""Puts clocks back by nothing but what was written down: the device, or its executor, may be gone."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import RunError
from .nvml import NvmlCard, nvml_library
from .port import Settings
from .ranged_clocks import RangedClocks, RangeFiles

NVML_PREFIX = "nvml:"


def put_back(settings: Settings) -> None:
    """Restores what a governor once gave as `settings`; raises RunError if not all can be."""
    cards = [name.removeprefix(NVML_PREFIX) for name in settings if name.startswith(NVML_PREFIX)]
    ranges = [
        RangeFiles(path, path.with_name(path.name.replace("min", "max")), path)
        for path in map(Path, settings)
        if "min" in path.name
    ]
    if len(cards) + 2 * len(ranges) != len(settings):
        raise RunError(f"a claim of unknown settings: {', '.join(settings)}")
    for uuid in cards:
        NvmlCard(nvml_library(), uuid).restore(settings)
    RangedClocks(ranges, (), 1).restore(settings)
