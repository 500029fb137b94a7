"""Measures how busy the machine is while cameras are emulated."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import psutil

from ..reporting.load import MachineLoad

_PERIOD_S = 0.02


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
