"""How slow a device is at the moment, and how unsteady, beside what its profile says."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import islice

from .slowness import (
    AS_PROFILED,
    FAR_OFF_RATIO,
    FLOOR_MS,
    LEAST_RATIO,
    MOST_RATIO,
    Slowness,
    SlownessLine,
)
from .spread import Spread

SAMPLE_MS = 5000.0  # what is older says nothing of now
RECENT, LATELY, TREND = 5, 10, 21  # batches
MEDIAN_LEAST = 3  # a median of fewer is no more than one of them says
TWICE = 2  # what happens two times in a row is no outlier
MEDIAN_SHARE, TREND_SHARE = (
    0.56,
    0.25,
)  # of that (its logarithm), for a median of five and a mean of twenty
LIKE_RATIO = 1.1  # what differs by less is followed slowly, up and down
HOLD_MS = 3000.0  # so long are they, before it falls
RETURN_MS = 1000.0  # likewise, from being far off
FLAP_MS, CALM_MS = 10_000.0, 30_000.0
MOST_CAUTION = 8
REFRESH_MS = 600_000.0  # off for so long, the profile is wrong rather than the device


class Slowdown:
    """Follows the times of batches beside the profile's medians: up at once, down with patience.

    One slow batch changes nothing. It rises as soon as the most of the last five batches were slower than the estimate explains, or
    as two in a row were far off, or as the last ten took longer together (which is how a device looks that stops now and then). It
    falls, also below the profile, when batches have been faster for three seconds. A device that becomes slow again soon after that
    has to be fast for twice as long the next time, so that pulses do not make plans follow each of them.

    What differs by less than a tenth is followed slowly, and tells how slowness goes with the length of batches (`SlownessLine`).
    How much wider than profiled batches spread about the estimate, or less, is kept apart.

    Attributes:
        slowness: what is thought of the device.
    """

    def __init__(self, span_ms: tuple[float, float], first: Slowness = AS_PROFILED) -> None:
        """Starts with what was learned before; `span_ms` are the profile's shortest median and its longest."""
        self._span_ms = span_ms
        self._line = SlownessLine(first, span_ms)
        self._spread = Spread(first.spread_ratio)
        self.slowness = first
        self._samples: deque[tuple[float, float, float]] = deque(maxlen=TREND)  # when, ratio, where
        self._confirmed_ms: float | None = None  # when batches were last as slow as the estimate
        self._num_good = 1  # batches in a row that were not far off
        self._jumped_ms = self._fell_ms = -math.inf
        self._caution = 1
        self._off_since_ms = math.inf

    @property
    def is_far_off(self) -> bool:
        """Whether the device is as good as lost."""
        return self.slowness.is_far_off(self._span_ms)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last batch makes it look as good as lost; a short one tells soon."""
        return not self._num_good and not self.is_far_off

    def is_off_for_long(self, now_ms: float) -> bool:
        """Whether the profile should be measured again."""
        return now_ms - self._off_since_ms >= REFRESH_MS

    def add(self, measured_ms: float, p50_ms: float, p99_ms: float, now_ms: float) -> None:
        """Takes a batch that ended now, with what the profile says of such."""
        if not 0 <= measured_ms < math.inf:
            return
        line, profiled = self._line, p99_ms / p50_ms
        ratio = max(FLOOR_MS, measured_ms) / max(FLOOR_MS, p50_ms)
        ratio = min(MOST_RATIO, max(LEAST_RATIO, ratio))
        where = line.where(p50_ms)
        line.saw(where)
        most = self._spread.surprise(profiled)
        self._spread.add(ratio / line.at(where), profiled)
        while self._samples and now_ms - self._samples[0][0] > SAMPLE_MS:
            self._samples.popleft()
        self._samples.append((now_ms, ratio, where))
        self._num_good = 0 if ratio >= FAR_OFF_RATIO else self._num_good + 1
        if not self._num_good or self._confirmed_ms is None:
            self._confirmed_ms = now_ms
        expected = {place: line.at(place) for _, _, place in self._samples}  # of few sizes
        news = [ratio / expected[place] for _, ratio, place in self._samples]  # 1 is none
        least_ratio = min(ratio, self._samples[-TWICE][1]) if len(news) >= TWICE else ratio
        level = _level(news, least_ratio)
        if level > most:
            self._jump(level, now_ms)
        elif self.is_far_off:
            self._return(news, now_ms)
        elif len(news) >= RECENT:
            self._follow(news, where, most, now_ms)
        self.slowness = line.told(self._spread.noise(profiled), self._spread.ratio)
        if 1 / LIKE_RATIO < line.at(where) < LIKE_RATIO:
            self._off_since_ms = math.inf
        elif self._off_since_ms == math.inf:
            self._off_since_ms = now_ms

    def _jump(self, level: float, now_ms: float) -> None:
        """Rises at once; what came before says nothing of now."""
        if now_ms - self._fell_ms < FLAP_MS:
            self._caution = min(MOST_CAUTION, 2 * self._caution)
        elif now_ms - self._jumped_ms > CALM_MS:
            self._caution = 1
        self._line.scale(level)
        self._jumped_ms = self._confirmed_ms = now_ms
        self._samples = deque(islice(self._samples, len(self._samples) - TWICE, None), TREND)

    def _return(self, news: Sequence[float], now_ms: float) -> None:
        """Falls from being far off, once a few batches in a row say so."""
        if self._num_good >= TWICE and self._has_held(RETURN_MS, now_ms):
            self._fall(max(news[-TWICE:]), now_ms)
            self._samples.clear()

    def _follow(self, news: Sequence[float], where: float, most: float, now_ms: float) -> None:
        """Follows slow changes up, and falls to them when they have lasted.

        Nothing is learned of batches that look like the begin of a change.
        """
        trend = _without_largest(news)
        like = max(LIKE_RATIO, most**TREND_SHARE)
        if trend > like:
            self._line.scale(trend)
            self._confirmed_ms = now_ms
        elif (
            trend * like >= 1 and _median(news[-RECENT:]) * max(LIKE_RATIO, most**MEDIAN_SHARE) >= 1
        ):
            self._line.learn(where, min(most, max(1 / most, news[-1])) - 1)
            self._confirmed_ms = now_ms
        elif self._has_held(HOLD_MS, now_ms):
            self._fall(trend, now_ms)

    def _has_held(self, patience_ms: float, now_ms: float) -> bool:
        return now_ms - (self._confirmed_ms or 0.0) >= patience_ms * self._caution

    def _fall(self, level: float, now_ms: float) -> None:
        self._line.scale(level)
        self._fell_ms = self._confirmed_ms = now_ms


def _level(news: Sequence[float], least_ratio: float) -> float:
    """What the last batches say of the device, whatever a single one says.

    `news` is what they took over what was expected, `least_ratio` the least of the last two over the profile.
    """
    level = 0.0
    if len(news) >= TWICE and least_ratio >= FAR_OFF_RATIO:
        level = min(news[-TWICE:])
    if len(news) >= MEDIAN_LEAST:
        level = max(level, _median(news[-RECENT:]))
    if len(news) >= RECENT:
        level = max(level, _without_largest(news[-LATELY:]))
    return level


def _median(news: Sequence[float]) -> float:
    """As of `statistics`, which takes ten times as long."""
    rising, middle = sorted(news), len(news) // 2
    return rising[middle] if len(news) % 2 else (rising[middle - 1] + rising[middle]) / 2


def _without_largest(news: Sequence[float]) -> float:
    """The mean of all but the largest, which may be chance."""
    return (sum(news) - max(news)) / (len(news) - 1)
