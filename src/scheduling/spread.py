"""How widely the times of batches spread, beside what a profile's p99 makes likely."""

from __future__ import annotations

import math
from collections import deque

LEAST_SPREAD_RATIO, MOST_SPREAD_RATIO = 0.5, 2.0
LEAST_SURPRISE, MOST_SURPRISE = 1.1, 2.0
SPREAD_BATCHES, SPREAD_LEAST, SPREAD_EVERY = 200, 30, 10
NOISE_WEIGHT = 0.05
Z90, Z99 = 1.2816, 2.3263  # of a normal distribution
DIFFERENCE_RATIO = 0.8862  # likewise, of the standard deviation to the mean difference of two


class Spread:
    """Compares the tail of the last hundred batches with the profile's, and each batch with the one before.

    Attributes:
        ratio: p99 over the estimate, over the profile's p99 over its median.
    """

    def __init__(self, ratio: float) -> None:
        """Starts with what was learned before."""
        self.ratio = ratio
        self._tails: deque[tuple[float, float]] = deque(maxlen=SPREAD_BATCHES)
        self._num_batches = 0
        self._noise = 0.0
        self._before: float | None = None

    def add(self, news: float, profiled: float) -> None:
        """Takes a batch: what it took over what was expected, and the profile's p99 over its median.

        The p99 itself would be one batch of a hundred: the 90th percentile is compared with the one that the profile makes likely.
        It is lowered only as far as the largest of the hundred allows.
        """
        deviation, normal = math.log(news), math.log(profiled)
        if self._before is None:
            self._noise = normal / Z99
        else:  # from one to the next, as the estimate may be off for long
            difference = min(abs(deviation - self._before), math.log(MOST_SURPRISE))
            self._noise += NOISE_WEIGHT * (DIFFERENCE_RATIO * difference - self._noise)
        self._before = deviation
        self._tails.append((deviation - normal * Z90 / Z99, deviation - normal))
        self._num_batches += 1
        if len(self._tails) >= SPREAD_LEAST and not self._num_batches % SPREAD_EVERY:
            tails, wholes = zip(*self._tails, strict=True)
            wider = math.exp(sorted(tails)[int(0.9 * len(tails))] * Z99 / Z90)
            steadier = min(1.0, math.exp(max(wholes)))
            self.ratio = min(MOST_SPREAD_RATIO, max(LEAST_SPREAD_RATIO, wider, steadier))

    def noise(self, profiled: float) -> float:
        """About the standard deviation of batches, as a share of what they take."""
        return max(math.log(profiled * self.ratio) / Z99, self._noise)

    def surprise(self, profiled: float) -> float:
        """What a single batch seldom exceeds, over the estimate."""
        likely = math.exp(Z99 * self.noise(profiled))
        return min(MOST_SURPRISE, max(LEAST_SURPRISE, likely))
