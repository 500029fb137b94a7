"""What a slow device makes of its profile: every mode's time, from what some of them took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from ..core.limits import LATENCY_MS
from ..core.profile import BatchLatency

LEAST_RATIO, MOST_RATIO = 0.5, 16.0
FLOOR_MS = 2.0  # what is shorter says more of threads that wake up than of the device
FAR_OFF_RATIO = 4.0
"""A device that is slower than that is as good as lost: nobody is placed there, and blank batches tell when it is back."""


@dataclass(frozen=True, slots=True)
class Slowness:
    """What batches of a device take: `ratio` times the profile and `extra_ms`, and how widely they spread about it.

    Attributes:
        ratio: of a batch's time to the profile's median, apart from the extra.
        extra_ms: what every batch takes besides, however large; below 0 where only long ones are slow.
        spread_ratio: p99 over the middle, over the same of the profile.
    """

    ratio: float = 1.0
    extra_ms: float = 0.0
    spread_ratio: float = 1.0

    @property
    def is_sound(self) -> bool:
        """Whether it can be planned with."""
        is_finite = all(map(math.isfinite, (self.ratio, self.extra_ms, self.spread_ratio)))
        return is_finite and self.spread_ratio > 0 and (self.ratio > 0 or self.extra_ms > 0)

    def at(self, p50_ms: float) -> float:
        """Batch time over the profile's median, where that is so long."""
        ratio = self.ratio + self.extra_ms / max(FLOOR_MS, p50_ms)
        return min(MOST_RATIO, max(LEAST_RATIO, ratio))

    def is_far_off(self, span_ms: Iterable[float]) -> bool:
        """Whether the device is as good as lost whatever it runs, from the shortest median to the longest."""
        return min(map(self.at, span_ms)) >= FAR_OFF_RATIO

    def over(self, other: Self, span_ms: tuple[float, float]) -> tuple[float, ...]:
        """How many times as slow it is as another: the ends of the span, in the middle and in the tail."""
        short, long = (self.at(ms) / other.at(ms) for ms in span_ms)
        tail = self.spread_ratio / other.spread_ratio
        return short, long, short * tail, long * tail

    def of(self, latency: BatchLatency) -> BatchLatency:
        """What a variant takes on such a device."""
        if self == AS_PROFILED:
            return latency

        def scaled(row: Sequence[float], spread_ratio: float) -> tuple[float, ...]:
            return tuple(
                LATENCY_MS.nearest(spread_ratio * self.at(p50_ms) * ms)
                for ms, p50_ms in zip(row, latency.p50_ms, strict=True)
            )

        return BatchLatency.monotone(
            scaled(latency.p50_ms, 1.0), scaled(latency.p99_ms, self.spread_ratio)
        )


AS_PROFILED = Slowness()


class SlownessLine:
    """Batch time over the profile's median, as a line in one over that median.

    A Kalman filter, in units of one batch's noise. What batches do not tell is kept: those of one size move the line as a whole,
    and leave its slope as it was learned from others. A slope that may be chance is not told.
    """

    LEVEL_VARIANCE = 0.2  # after a jump
    SLOPE_VARIANCE, LEARNED_VARIANCE = 4.0, 0.05  # at first; where it was learned before
    JUMP_VARIANCE = 1.0  # what a jump adds
    LEVEL_DRIFT, SLOPE_DRIFT = 0.0005, 0.0001  # so that a batch counts a fortieth, in the long run
    SURE, UNSURE = 5.0, 2.5  # deviations that a slope has to show, and still to have
    MEAN_WEIGHT = 0.05

    def __init__(self, first: Slowness, span_ms: tuple[float, float]) -> None:
        """Starts there, for profiled medians of that span."""
        self._reference_ms = max(FLOOR_MS, math.sqrt(span_ms[0] * span_ms[1]))
        self._ratio = first.ratio
        self._extra = first.extra_ms / self._reference_ms
        self._middle = (
            0.0  # where batches are, in references over their medians; 0 before the first
        )
        self._is_sloped = first.extra_ms != 0
        self._variances = 0.0, 0.0, 0.0

    def where(self, p50_ms: float) -> float:
        """The place on the line of batches with that median."""
        return self._reference_ms / max(FLOOR_MS, p50_ms)

    def at(self, where: float) -> float:
        """Batch time over the profile's median there."""
        return min(MOST_RATIO, max(LEAST_RATIO, self._ratio + self._extra * where))

    def scale(self, factor: float) -> None:
        """The device has become slower or faster by so much, where batches are; its shape may have changed, too."""
        now = self.at(self._middle)
        factor = min(MOST_RATIO, max(LEAST_RATIO, factor * now)) / now
        self._ratio *= factor
        self._extra *= factor
        self._forget(min(self.SLOPE_VARIANCE, self._variances[2] + self.JUMP_VARIANCE))

    def saw(self, where: float) -> None:
        """A batch ran there, whatever it took."""
        if not self._middle:
            self._middle = where
            self._forget(self.LEARNED_VARIANCE if self._is_sloped else self.SLOPE_VARIANCE)
        self._middle += self.MEAN_WEIGHT * (where - self._middle)

    def learn(self, where: float, surprise: float) -> None:
        """Takes in that a batch took longer than the line says, by that share of it."""
        level, cross, slope = self._variances
        level, slope = level + self.LEVEL_DRIFT, slope + self.SLOPE_DRIFT
        of_level, of_slope = level + cross * where, cross + slope * where
        total = of_level + of_slope * where + 1.0
        error = surprise * self.at(where)
        self._ratio += of_level / total * error
        self._extra += of_slope / total * error
        slope -= of_slope * of_slope / total
        kept = min(
            1.0, self.SLOPE_VARIANCE / slope
        )  # what is not heard of for long is not all forgotten
        self._variances = (
            kept * (level - of_level * of_level / total),
            kept * (cross - of_level * of_slope / total),
            kept * slope,
        )

    def told(self, noise: float, spread_ratio: float) -> Slowness:
        """What it says of every mode; `noise` is a batch's standard deviation, as a share of what it takes."""
        middle = self.at(self._middle)
        chance = noise * middle * math.sqrt(max(0.0, self._variances[2]))
        deviations = self.UNSURE if self._is_sloped else self.SURE
        self._is_sloped = self._ratio > 0 and abs(self._extra) > deviations * chance
        if not self._is_sloped:
            return Slowness(middle, 0.0, spread_ratio)
        return Slowness(self._ratio, self._extra * self._reference_ms, spread_ratio)

    def _forget(self, slope: float) -> None:
        """It is known where batches are; how it goes on from there is not, or less so."""
        cross = -self._middle * slope
        self._variances = (self.LEVEL_VARIANCE - self._middle * cross, cross, slope)
