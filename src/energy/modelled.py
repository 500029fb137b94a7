"""Joules by a table of power and the time that batches run: where no meter is, and never called measured."""

from __future__ import annotations

from ..core.checks import require_not_negative
from ..core.mode import Mode, PowerTable
from .port import Energy, MeterFacts, Quality


class ModelledMeter:
    """One device, which draws what its table says: while it runs a mode, and while it is idle."""

    facts = MeterFacts("modelled", "device", 0.0, Quality.MODELLED)

    def __init__(self, power: PowerTable, now_ms: float) -> None:
        """Idle; raises ValueError if a power is no finite number of at least 0."""
        self._power_w: dict[Mode | None, float] = {
            None: require_not_negative("idle_w", power.idle_w)
        }
        for mode, value in power.power_w.items():
            self._power_w[mode] = require_not_negative("power_w", value)
        self._mode: Mode | None = None
        self._since_ms = now_ms
        self._total_mj = 0.0
        self._problem = ""

    def runs(self, mode: Mode | None, now_ms: float) -> None:
        """Takes what runs from now on; None for nothing."""
        self._count(now_ms)
        self._mode = mode

    def read(self, now_ms: float) -> Energy:
        """See the port."""
        self._count(now_ms)
        problem, self._problem = self._problem, ""
        quality = Quality.UNAVAILABLE if problem else Quality.MODELLED
        return Energy(self._total_mj, quality, problem)

    def _count(self, now_ms: float) -> None:
        power_w = self._power_w.get(self._mode)
        if power_w is None:
            self._problem = f"modelled: the table has no power of {self._mode}"
        self._total_mj += (power_w or 0.0) * (now_ms - self._since_ms)
        self._since_ms = now_ms
