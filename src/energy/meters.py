"""Two ways to count joules, from a counter or from power, and a check of one by the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import RunError
from .port import Energy, MeterFacts, Quality

MOST_W = 2000.0  # beyond any one device: a counter that rises faster has jumped, or gone backwards
STILL_MS = 1000.0  # a device always draws some power: a counter that stands as long has stopped
LONGEST_GAP_MS = 1000.0  # between two readings of power, which say nothing of what was between them
CHECK_MS = 5000.0  # the energy counter of a GPU moves ten times a second: 2 % of that
MOST_APART_RATIO = 0.25


@dataclass(slots=True)
class CountedMeter:
    """Joules of a counter, which may wrap, stop, go backwards or be gone: then they are unavailable, never negative."""

    facts: MeterFacts
    read_mj: Callable[[], float]  # may raise RunError
    range_mj: float = math.inf  # where the counter starts again at 0
    _total_mj: float = 0.0
    _moved: tuple[float, float] | None = None  # when it did so last, and to where
    _problem: str = ""  # with the time since then

    def read(self, now_ms: float) -> Energy:
        """See the port."""
        try:
            counter_mj = self.read_mj()
        except RunError as error:
            self._problem = str(error)
            return _energy(self.facts, self._total_mj, self._problem)
        if self._moved is not None:
            elapsed_ms, before_mj = now_ms - self._moved[0], self._moved[1]
            if counter_mj == before_mj:
                if elapsed_ms >= max(STILL_MS, 10 * self.facts.window_ms):
                    self._problem = f"{self.facts.name}: the counter stands still"
                return _energy(self.facts, self._total_mj, self._problem)
            added_mj = counter_mj - before_mj + (self.range_mj if counter_mj < before_mj else 0)
            # mJ/ms are W; what is read now may have been due since it last moved
            most_mj = MOST_W * (elapsed_ms + self.facts.window_ms)
            if not 0 < added_mj <= most_mj < self.range_mj:
                self._problem = (
                    f"{self.facts.name}: the counter went from {before_mj:.0f} to {counter_mj:.0f} mJ "
                    f"in {elapsed_ms:.0f} ms: it jumped, went backwards, or may have wrapped unseen"
                )
            elif not self._problem:
                self._total_mj += added_mj
        self._moved = now_ms, counter_mj
        problem, self._problem = self._problem, ""
        return _energy(self.facts, self._total_mj, problem)


@dataclass(slots=True)
class IntegratedMeter:
    """Joules of a power that is read often enough; `read_w` may raise RunError."""

    facts: MeterFacts
    read_w: Callable[[], float]
    _total_mj: float = 0.0
    _last: tuple[float, float] | None = None  # when, and how much
    _problem: str = ""  # with the time since then

    def read(self, now_ms: float) -> Energy:
        """See the port."""
        try:
            power_w = self.read_w()
            if not 0 <= power_w <= MOST_W:  # NaN is not, either
                raise RunError(f"{self.facts.name}: says {power_w:g} W, which cannot be")  # noqa: TRY301
        except RunError as error:
            self._last, self._problem = None, str(error)
            return _energy(self.facts, self._total_mj, self._problem)
        last, self._last = self._last, (now_ms, power_w)
        problem, self._problem = self._problem, ""
        if last is not None and now_ms - last[0] > LONGEST_GAP_MS:
            problem = f"{self.facts.name}: was not read for {now_ms - last[0]:.0f} ms"
        elif last is not None:
            self._total_mj += (now_ms - last[0]) * (last[1] + power_w) / 2
        return _energy(self.facts, self._total_mj, problem)


class CheckedMeter:
    """A counter that is believed once power, added up over five seconds, says the same."""

    def __init__(self, counter: CountedMeter, gauge: IntegratedMeter) -> None:
        """Reads nothing yet; until it is believed it wants to be read several times a second."""
        self.facts = counter.facts
        self._counter = counter
        self._gauge = gauge
        self._begun: tuple[float, float, float] | None = None
        self._problem = f"{self.facts.name}: the counter is being checked for {CHECK_MS / 1000:g} s"
        self._is_checked = False

    def read(self, now_ms: float) -> Energy:
        """See the port."""
        total_mj, _, problem = self._counter.read(now_ms)
        if not self._is_checked:
            power = self._gauge.read(now_ms)
            problem = problem or power.problem
            begun = self._begun or (now_ms, total_mj, power.total_mj)
            self._begun = None if problem else begun
            if not problem and now_ms - begun[0] >= CHECK_MS:
                self._is_checked = True
                self._problem = cross_check(
                    self.facts.name, total_mj - begun[1], power.total_mj - begun[2]
                )
        return _energy(self.facts, total_mj, problem or self._problem)


def cross_check(name: str, counted_mj: float, integrated_mj: float) -> str:
    """Why a counter is not to be believed beside the power of the same time; empty if it is."""
    less, more = sorted((counted_mj, integrated_mj))
    if more <= (1 + MOST_APART_RATIO) * less:
        return ""
    both = f"the counter says {counted_mj / 1000:.3g} J and power {integrated_mj / 1000:.3g} J"
    return f"{name}: {both} of the same time: neither is believed"


def _energy(facts: MeterFacts, total_mj: float, problem: str) -> Energy:
    return Energy(total_mj, Quality.UNAVAILABLE if problem else facts.quality, problem)
