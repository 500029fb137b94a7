"""Joules by a table of power and the time that batches run: where no meter is, and never called measured."""

from __future__ import annotations

from ..core.checks import require_not_negative
from ..core.mode import Mode, PowerTable
from .port import Energy, MeterFacts, Quality


class ModelledMeter:
    """One device, which draws what its table says: while it runs a mode, and while it is idle."""

    facts = MeterFacts("modelled", "device", 0.0, Quality.MODELLED)

    def __init__(self, power: PowerTable, now_ms: float) -> None:
        """Idle at its own clock; raises ValueError if a power is no finite number of at least 0."""
        for name, values in (("power_w", power.power_w), ("idle_w", power.idle_w)):
            for value in values.values():
                require_not_negative(name, value)
        self._power = power
        self._runs: Mode | float | None = None  # a mode, or a clock while it is idle
        self._since_ms = now_ms
        self._total_mj = 0.0
        self._problem = ""

    def runs(self, mode: Mode, now_ms: float) -> None:
        """Takes what runs from now on."""
        self._count(now_ms)
        self._runs = mode

    def idles(self, clock_mhz: float | None, now_ms: float) -> None:
        """From now on it is idle at that clock; None for its own."""
        self._count(now_ms)
        self._runs = clock_mhz

    def read(self, now_ms: float) -> Energy:
        """See the port."""
        self._count(now_ms)
        problem, self._problem = self._problem, ""
        quality = Quality.UNAVAILABLE if problem else Quality.MODELLED
        return Energy(self._total_mj, quality, problem)

    def _count(self, now_ms: float) -> None:
        runs, power = self._runs, self._power
        power_w = power.power_w.get(runs) if isinstance(runs, Mode) else power.idle_w.get(runs)
        if power_w is None:
            self._problem = f"modelled: the table has no power of {runs}"
        self._total_mj += (power_w or 0.0) * (now_ms - self._since_ms)
        self._since_ms = now_ms
