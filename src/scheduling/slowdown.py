"""How slow a device is at the moment, and how unsteady, beside what its profile says."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import islice
from statistics import median

LEAST_RATIO, MOST_RATIO = 0.5, 16.0
FLOOR_MS = 2.0  # what is shorter says more of threads that wake up than of the device
FAR_OFF_RATIO = 4.0
"""A device that is slower than that is as good as lost: nobody is placed there, and blank batches tell when it is back."""

MOST_SPREAD_RATIO = 2.0
SAMPLE_MS = 5000.0  # what is older says nothing of now
RECENT, LATELY, TREND = 5, 10, 21  # batches
MEDIAN_LEAST = 3  # a median of fewer is no more than one of them says
TWICE = 2  # what happens two times in a row is no outlier
SPREAD_BATCHES, SPREAD_LEAST = 100, 30
LEAST_SURPRISE, MOST_SURPRISE = 1.1, 2.0  # over the estimate; about the p99 of a single batch
LIKE_RATIO = 1.1  # what differs by less is followed slowly, up and down
WEIGHT = 0.05  # of a batch, in that
HOLD_MS = 3000.0  # so long are they, before it falls
RETURN_MS = 1000.0  # likewise, from being far off
FLAP_MS, CALM_MS = 10_000.0, 30_000.0
MOST_CAUTION = 8
Z90, Z99 = 1.2816, 2.3263  # of a normal distribution


class Slowdown:
    """Follows the times of batches over the profile's medians: up at once, down with patience.

    One slow batch changes nothing. It rises as soon as the most of the last five batches were slower than the estimate explains, or
    as two in a row were far off, or as the last ten took longer together (which is how a device looks that stops now and then). It
    falls, also below 1, when batches have been faster for three seconds. A device that becomes slow again soon after that has to
    be fast for twice as long the next time, so that pulses do not make plans follow each of them.

    How much wider than profiled batches spread about the estimate is kept apart: medians follow one factor, tails both.

    Attributes:
        ratio: batch time over the profile's median.
        spread_ratio: p99 over median, over the same of the profile; at least 1, as a hundred batches tell little of the tail.
    """

    def __init__(self) -> None:
        self.ratio = 1.0
        self.spread_ratio = 1.0
        self._samples: deque[tuple[float, float]] = deque(maxlen=TREND)  # when, and its ratio
        self._deviations: deque[float] = deque(maxlen=SPREAD_BATCHES)
        self._confirmed_ms = -math.inf  # when batches were last as slow as the estimate
        self._num_good = 1  # batches in a row that were not far off
        self._jumped_ms = self._fell_ms = -math.inf
        self._caution = 1

    @property
    def is_far_off(self) -> bool:
        """Whether the device is as good as lost."""
        return self.ratio >= FAR_OFF_RATIO

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last batch makes it look as good as lost; a short one tells soon."""
        return not self.is_far_off and not self._num_good

    def add(self, measured_ms: float, p50_ms: float, p99_ms: float, now_ms: float) -> None:
        """Takes one batch.

        Args:
            measured_ms: what it took.
            p50_ms: the profile's median for it.
            p99_ms: the profile's 99th percentile for it.
            now_ms: when it ended.
        """
        if not 0 <= measured_ms < math.inf:
            return
        sample = max(FLOOR_MS, measured_ms) / max(FLOOR_MS, p50_ms)
        sample = min(MOST_RATIO, max(LEAST_RATIO, sample))
        self._spread(sample, p99_ms / p50_ms)
        while self._samples and now_ms - self._samples[0][0] > SAMPLE_MS:
            self._samples.popleft()
        self._samples.append((now_ms, sample))
        self._num_good = 0 if sample >= FAR_OFF_RATIO else self._num_good + 1
        if not self._num_good:
            self._confirmed_ms = now_ms
        surprise = min(MOST_SURPRISE, max(LEAST_SURPRISE, p99_ms / p50_ms * self.spread_ratio))
        ratios = [ratio for _, ratio in self._samples]
        level = _level(ratios)
        if level > self.ratio * surprise:
            self._jump(level, now_ms)
        elif self.is_far_off:
            self._return(ratios, now_ms)
        elif len(ratios) >= RECENT:
            self._follow(_without_largest(ratios), now_ms)

    def _jump(self, level: float, now_ms: float) -> None:
        """Rises at once; what came before says nothing of now."""
        if now_ms - self._fell_ms < FLAP_MS:
            self._caution = min(MOST_CAUTION, 2 * self._caution)
        elif now_ms - self._jumped_ms > CALM_MS:
            self._caution = 1
        self.ratio = level
        self._jumped_ms = self._confirmed_ms = now_ms
        self._samples = deque(islice(self._samples, len(self._samples) - TWICE, None), TREND)

    def _return(self, ratios: Sequence[float], now_ms: float) -> None:
        """Falls from being far off, once a few batches in a row say so."""
        has_held = now_ms - self._confirmed_ms >= RETURN_MS * self._caution
        if self._num_good >= TWICE and has_held:
            self._fall(max(ratios[-TWICE:]), now_ms)
            self._samples.clear()

    def _follow(self, trend: float, now_ms: float) -> None:
        """Follows slow changes up, and falls to them when they have lasted."""
        if trend > LIKE_RATIO * self.ratio:
            self.ratio = trend
            self._confirmed_ms = now_ms
        elif trend * LIKE_RATIO >= self.ratio:
            self.ratio += WEIGHT * (trend - self.ratio)
            self._confirmed_ms = now_ms
        elif now_ms - self._confirmed_ms >= HOLD_MS * self._caution:
            self._fall(trend, now_ms)

    def _fall(self, level: float, now_ms: float) -> None:
        self.ratio = level
        self._fell_ms = self._confirmed_ms = now_ms

    def _spread(self, sample: float, profiled: float) -> None:
        """Compares the 90th percentile of batches with the one that the profile's p99 makes likely.

        The p99 itself would be one batch of a hundred.
        """
        self._deviations.append(
            math.log(sample / self.ratio) - math.log(profiled) * Z90 / Z99,
        )
        if len(self._deviations) >= SPREAD_LEAST:
            wider = sorted(self._deviations)[int(0.9 * len(self._deviations))]
            self.spread_ratio = min(MOST_SPREAD_RATIO, math.exp(max(0.0, wider) * Z99 / Z90))


def _level(ratios: Sequence[float]) -> float:
    """What the last batches say of the device, whatever a single one says."""
    level = 0.0
    if len(ratios) >= TWICE and min(ratios[-TWICE:]) >= FAR_OFF_RATIO:
        level = min(ratios[-TWICE:])
    if len(ratios) >= MEDIAN_LEAST:
        level = max(level, median(ratios[-RECENT:]))
    if len(ratios) >= RECENT:
        level = max(level, _without_largest(ratios[-LATELY:]))
    return level


def _without_largest(ratios: Sequence[float]) -> float:
    """The mean of all but the largest, which may be chance."""
    return (sum(ratios) - max(ratios)) / (len(ratios) - 1)
