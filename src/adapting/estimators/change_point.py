"""Ours: the rate is constant between change points, and whatever else happens makes frames slower."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from math import log1p
from operator import attrgetter
from typing import TypeAlias

from ...core.checks import require_not_negative, require_positive
from .port import MAX_KBPS, SentFrame, between

TAIL = 2.0
"""Shape of the delays: a frame is held up by more than x with probability (1 + x / scale) ** -TAIL."""
SCALE_RATIO = 0.03
"""What the scale of the delays is at least, over the time that the frame takes."""
LEAST_SCALE_MS = 0.3
LEAST_MS_PER_KBIT = 1000.0 / MAX_KBPS
RESOLUTION_MS = 0.3
"""Acks tell no shorter times apart: a small frame on a fast link only shows that it is fast."""
FIRST_SCALE_MS = 2.0
SCALE_STEP = 0.05
CHANGES_PER_S = 1.0
"""How often the rate of a link is expected to change."""
NEW_RATE_COST = 2.0
"""Minus the logarithm of how likely the rate after a change is among all that it might be."""
CHANGE_SIZE = 0.5
"""Mean size of a change, as a natural logarithm (a Laplace distribution)."""
MAX_FRAMES = 16
MAX_STRETCHES = 4
SLOWER_RATIO = 1 + 1e-9
"""Rates of stretches that differ by less are the same but for rounding."""
LEAST_FRAMES = 3
"""In a stretch, before its delays are believed."""
_MEDIAN_OF_LEAST = [math.inf, *(2.0 ** (1 / (TAIL * n)) - 1 for n in range(1, MAX_FRAMES + 1))]
"""Of n delays, over their scale."""


_Acked: TypeAlias = tuple[float, float, float, float]
"""A frame that arrived: its size (kbit), when its ack would have come, had it no size and the link been
free, when it came (ms), and the scale of its delay (ms)."""


class _Stretch:
    """A time in which the rate may have been constant, up to now.

    The link carries one frame after the other. The rate is the least at which it was through with each
    of them before its ack came: delays only ever make frames slower.

    Attributes:
        cost: minus the logarithm of how likely it is, with all that came before it.
        ms_per_kbit: the rate, inverted.
        free_ms: when the link was through with its newest frame, at the soonest.
        delay_ms: how much later that frame's ack came.
    """

    __slots__ = (
        "_arrived_ms",
        "_before",
        "_begin_ms",
        "_fastest_kbits",
        "_frames",
        "_ms_per_kbit_before",
        "_settled",
        "cost",
        "delay_ms",
        "free_ms",
        "ms_per_kbit",
    )

    def __init__(self, before: float, ms_per_kbit_before: float | None, free_ms: float) -> None:
        self._before = before
        self._ms_per_kbit_before = ms_per_kbit_before
        self._begin_ms = free_ms
        self._fastest_kbits = 1.0
        self._frames: deque[_Acked] = deque()
        # Of each: when the link was through with it, and what its delay costs by itself, if that is known.
        self._settled: deque[tuple[float, float | None]] = deque()
        self.cost = before
        self.ms_per_kbit = math.inf
        self.free_ms = free_ms
        self.delay_ms = 0.0
        self._arrived_ms = free_ms  # of the newest frame

    @property
    def num_frames(self) -> int:
        """How many of its frames are remembered."""
        return len(self._frames)

    def add(self, frame: _Acked) -> None:
        """Takes in the next frame."""
        frames = self._frames
        if len(frames) == MAX_FRAMES:
            self._forget_oldest()
        frames.append(frame)
        kbits, start_ms, arrived_ms, _ = frame
        begin_ms = start_ms if start_ms > self.free_ms else self.free_ms
        if begin_ms + kbits * self.ms_per_kbit <= arrived_ms:
            self._carry((frame,))
        else:
            self._speed_up(arrived_ms)
            self._carry(frames)

    def rate_kbps(self, scale_ms: float) -> float:
        """The rate of the link in this time, where delays have that scale."""
        # The fastest of n frames was held up too: by the median of the least of n delays.
        held_ms = scale_ms * _MEDIAN_OF_LEAST[len(self._frames)]
        ms_per_kbit = self.ms_per_kbit - held_ms / self._fastest_kbits
        least = self.ms_per_kbit / 2
        return between(1000.0 / (ms_per_kbit if ms_per_kbit > least else least))

    def _carry(self, frames: Iterable[_Acked]) -> None:
        """Has the link carry frames at the rate, and counts the cost of their delays.

        What held up the frame before may have held up this one too, so that counts once.
        """
        ms_per_kbit, free_ms, before_ms = self.ms_per_kbit, self.free_ms, self._arrived_ms
        costs, delay_ms = 0.0, 0.0
        for kbits, start_ms, arrived_ms, scale_ms in frames:
            sending_ms = kbits * ms_per_kbit
            begin_ms = start_ms if start_ms > free_ms else free_ms
            free_ms = begin_ms + sending_ms
            is_alone = before_ms <= begin_ms
            if not is_alone:
                latest_ms = arrived_ms - sending_ms
                latest_ms = latest_ms if latest_ms < before_ms else before_ms
                begin_ms = latest_ms if latest_ms > begin_ms else begin_ms
            before_ms = arrived_ms
            soonest_ms = begin_ms + (sending_ms if sending_ms > RESOLUTION_MS else RESOLUTION_MS)
            if arrived_ms > soonest_ms:
                delay_ms = arrived_ms - soonest_ms
                cost = (TAIL + 1) * log1p(delay_ms / scale_ms)
                costs += cost
            else:
                delay_ms = cost = 0.0
            self._settled.append((free_ms, cost if is_alone else None))
        self.free_ms, self._arrived_ms, self.delay_ms = free_ms, before_ms, delay_ms
        self.cost += costs

    def _speed_up(self, arrived_ms: float) -> None:
        """Raises the rate until the newest frame arrives when it did; all are to be carried again."""
        kbits = 0.0
        # It may have waited for any of those before it.
        for one_kbits, start_ms, _, _ in reversed(self._frames):
            kbits += one_kbits
            begin_ms = max(start_ms, self._begin_ms)
            ms_per_kbit = max(arrived_ms - begin_ms, RESOLUTION_MS) / kbits
            if ms_per_kbit < self.ms_per_kbit:
                self.ms_per_kbit, self._fastest_kbits = ms_per_kbit, kbits
        self.ms_per_kbit = max(self.ms_per_kbit, LEAST_MS_PER_KBIT)
        self.free_ms = self._arrived_ms = self._begin_ms
        self._settled.clear()
        self.cost = self._before + _jump_cost(self.ms_per_kbit, self._ms_per_kbit_before)

    def _forget_oldest(self) -> None:
        """Settles what its delay costs, and when the link was through with it."""
        kbits, start_ms, arrived_ms, scale_ms = self._frames.popleft()
        free_ms, cost = self._settled.popleft()
        if cost is None:  # the one before was held up, too
            begin_ms = start_ms if start_ms > self._begin_ms else self._begin_ms
            sending_ms = kbits * self.ms_per_kbit
            soonest_ms = begin_ms + (sending_ms if sending_ms > RESOLUTION_MS else RESOLUTION_MS)
            cost = 0.0
            if arrived_ms > soonest_ms:
                cost = (TAIL + 1) * log1p((arrived_ms - soonest_ms) / scale_ms)
        self._begin_ms = free_ms
        self._before += cost


def _jump_cost(ms_per_kbit: float, ms_per_kbit_before: float | None) -> float:
    if ms_per_kbit_before is None:
        return 0.0
    return abs(math.log(ms_per_kbit / ms_per_kbit_before)) / CHANGE_SIZE


_cost_of = attrgetter("cost")


def _worth_keeping(stretches: list[_Stretch]) -> list[_Stretch]:
    """The best stretch, then slower ones that may yet be better, best first.

    One as fast as a better one, but for rounding, would go on to explain slow frames as badly, and is forgotten.
    """
    stretches.sort(key=_cost_of)
    kept, ms_per_kbit = [], 0.0
    for one in stretches:
        if one.ms_per_kbit > SLOWER_RATIO * ms_per_kbit:
            kept.append(one)
            ms_per_kbit = one.ms_per_kbit
    return kept[:MAX_STRETCHES]


class ChangePointEstimator:
    """Finds the most probable division of the past into stretches of constant rate.

    A frame takes its bits over the rate, plus a delay: processes that are late, retransmissions. Delays
    are never negative, mostly short and sometimes very long (a Lomax distribution, whose scale is
    learned). So the fastest frame of a stretch tells its rate, a frame faster than that begins a new
    stretch at once, and a slower one does when that explains it better than a delay would. The best
    division is found by the recursion of Jackson et al., 2005, with pruning in the manner of PELT
    (Killick et al., JASA 2012): a handful of candidates, each looked at once a frame.
    """

    def __init__(self, initial_kbps: float, wire_ms: float = 0.0) -> None:
        """Starts with a guess that holds until the first frame was acknowledged.

        Raises:
            ValueError: naming the argument that is out of range.
        """
        self.wire_ms = require_not_negative("wire_ms", wire_ms)
        self._estimate_kbps = between(require_positive("initial_kbps", initial_kbps))
        self._stretches: list[_Stretch] = []  # the best one first
        self._scale_ms = FIRST_SCALE_MS
        self._heard_ms = -math.inf  # when the newest ack would have come, had it not been held

    def observe(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        """Takes in one acknowledged frame; the time of the ack is that of the frame and its round trip."""
        require_positive("kbits", frame.kbits)
        # A server that says it held the ack too long makes the round trip negative.
        net_ms = net_ms if net_ms > 0.0 else 0.0
        arrived_ms = frame.sent_ms + require_not_negative("net_ms", net_ms)
        best = self._divide(frame, arrived_ms)
        self._learn_scale(best)
        self._estimate_kbps = best.rate_kbps(self._scale_ms)
        self._heard_ms = arrived_ms if arrived_ms > self._heard_ms else self._heard_ms

    def bandwidth_kbps(self, now_ms: float, oldest: SentFrame | None = None) -> float:
        """The rate of the newest stretch, unless the oldest frame under way says that it has fallen."""
        if oldest is None:
            return self._estimate_kbps
        waiting_ms = now_ms - self._start_ms(oldest)
        expected_ms = 1000.0 * oldest.kbits / self._estimate_kbps
        if waiting_ms <= expected_ms:
            return self._estimate_kbps
        scale_ms = self._scale_ms + SCALE_RATIO * expected_ms
        waiting_cost = TAIL * log1p((waiting_ms - expected_ms) / scale_ms)
        if waiting_cost <= self._change_cost(now_ms):
            return self._estimate_kbps
        return between(1000.0 * oldest.kbits / waiting_ms)

    def _start_ms(self, frame: SentFrame) -> float:
        """When its ack would come, had it no size: frames wait for those before them."""
        free_ms = self._stretches[0].free_ms if self._stretches else -math.inf
        return max(frame.sent_ms + 2 * self.wire_ms, free_ms)

    def _change_cost(self, at_ms: float) -> float:
        """The longer nothing was heard, the less surprising is a change."""
        seconds = max(1e-3, (at_ms - self._heard_ms) / 1000)
        return NEW_RATE_COST - math.log(-math.expm1(-CHANGES_PER_S * seconds))

    def _divide(self, frame: SentFrame, arrived_ms: float) -> _Stretch:
        """Goes on with each stretch, begins one, and forgets those that hardly can be the best; returns that."""
        kbits = frame.kbits
        start_ms = frame.sent_ms + 2 * self.wire_ms
        stretches = self._stretches
        free_ms = stretches[0].free_ms if stretches else -math.inf
        taken_ms = arrived_ms - (start_ms if start_ms > free_ms else free_ms)
        taken_ms = taken_ms if taken_ms > 0.0 else 0.0
        scale_ms = self._scale_ms + SCALE_RATIO * taken_ms
        acked = (kbits, start_ms, arrived_ms, scale_ms)
        if not stretches:
            first = _Stretch(0.0, None, free_ms)
            first.add(acked)
            self._stretches = [first]
            return first
        best = stretches[0]
        cost_before, ms_per_kbit_before = best.cost, best.ms_per_kbit
        for one in stretches:
            one.add(acked)
        ms_per_kbit = (taken_ms if taken_ms > RESOLUTION_MS else RESOLUTION_MS) / kbits
        ms_per_kbit = ms_per_kbit if ms_per_kbit > LEAST_MS_PER_KBIT else LEAST_MS_PER_KBIT
        if (
            best.cost > cost_before + NEW_RATE_COST or SLOWER_RATIO * best.ms_per_kbit < ms_per_kbit
        ):  # else no other rate explains it as well: a change costs more than this delay
            before = cost_before + self._change_cost(arrived_ms)
            cost = before + _jump_cost(ms_per_kbit, ms_per_kbit_before)
            # One that begins with this frame has that rate and cost.
            if not any(
                one.cost <= cost and SLOWER_RATIO * one.ms_per_kbit >= ms_per_kbit
                for one in stretches
            ):
                new = _Stretch(before, ms_per_kbit_before, free_ms)
                new.add(acked)
                stretches.append(new)
        if len(stretches) > 1:
            self._stretches = _worth_keeping(stretches)
        return self._stretches[0]

    def _learn_scale(self, best: _Stretch) -> None:
        """Moves the scale so that half of the delays are below their median."""
        if best.num_frames < LEAST_FRAMES:
            return
        is_longer = best.delay_ms > _MEDIAN_OF_LEAST[1] * self._scale_ms
        scale_ms = self._scale_ms * (1 + (SCALE_STEP if is_longer else -SCALE_STEP))
        self._scale_ms = scale_ms if scale_ms > LEAST_SCALE_MS else LEAST_SCALE_MS
