"""`ladder`: what is worth most, weighed by the odds that it is in time. Ours."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...core.quality import JpegQuality
from ...core.verdict import Reason
from ..frame_sizes import FrameSize
from .port import Sending, Situation
from .rungs import DEFAULT_LADDER, Knob, parse_ladder

LATE_COST = 2.0
"""What a late frame costs, where the value of one in time is its accuracy, 0 to 1."""
ENOUGH_RATIO = 0.97
"""Odds at which a rung suffices, and the knobs after it are left alone."""
UP_FRAMES = 2
"""Frames in a row that must have been worth more before larger ones are sent: down at once, up with care."""
FRAME_DIVISORS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class _Choice:
    """One way to send a frame, how probably it is in time, and what it is worth."""

    size: FrameSize
    quality: JpegQuality
    divisor: int
    in_time_ratio: float
    value: float

    @property
    def kbits(self) -> float:
        return self.size.kbits * self.quality.size_ratio


class LadderPolicy:
    """Sends what is worth most: accuracy if it is in time, a cost if it is late.

    The odds come from how far recent frames fell short of what the estimate promised, and from the
    times that the server took. A frame that would be late by the estimate itself is never sent.
    """

    def __init__(self, ladder: Sequence[str] = DEFAULT_LADDER) -> None:
        """Takes a ladder as of `parse_ladder`, which says what is wrong with it."""
        self._rungs = parse_ladder(ladder)
        self._wished_kbits: deque[float] = deque(maxlen=UP_FRAMES)

    def choose(self, situation: Situation) -> Sending | Reason:
        """See `Policy`."""
        choice = self._climb(situation, float("inf"))
        if choice is None:
            self._wished_kbits.clear()
            return Reason.LINK_TOO_SLOW
        self._wished_kbits.append(choice.kbits)
        most_kbits = min(self._wished_kbits)
        if choice.kbits > most_kbits:
            choice = self._climb(situation, most_kbits) or choice
        if situation.sequence % choice.divisor:
            return Reason.SKIPPED
        return Sending(choice.size, choice.quality)

    def _climb(self, situation: Situation, most_kbits: float) -> _Choice | None:
        """The best choice of the first rung that suffices, else of the last; None if none is in time."""
        best = None
        for knobs in self._rungs:
            choices = [one for one in _choices(situation, knobs) if one.kbits <= most_kbits]
            best = max(choices, key=lambda one: one.value, default=best)
            if best is not None and best.in_time_ratio >= ENOUGH_RATIO:
                break
        return best


def _choices(situation: Situation, knobs: frozenset[Knob]) -> Iterator[_Choice]:
    """What may be sent by turning these knobs alone, and is in time by the estimate; best accuracy first."""
    sizes = situation.advised_sizes()
    smallest = sizes[0]
    sizes = sizes if Knob.SIZE in knobs else sizes[-1:]
    qualities = situation.qualities if Knob.QUALITY in knobs else situation.qualities[:1]
    divisors = FRAME_DIVISORS if Knob.FPS in knobs else FRAME_DIVISORS[:1]
    server_ms = situation.server_ms or (0.0,)
    for size in reversed(sizes):
        for quality in qualities:
            kbits = size.kbits * quality.size_ratio
            if situation.network_ms(kbits) + server_ms[0] > situation.left_ms:
                continue
            divisor = next((n for n in divisors if situation.is_carried(kbits / n)), 0)
            if not divisor and size is not smallest:
                continue
            in_time = in_time_ratio(situation, kbits)
            worth = in_time * size.accuracy * quality.accuracy_ratio - (1 - in_time) * LATE_COST
            yield _Choice(size, quality, divisor or 1, in_time, worth / (divisor or 1))


def in_time_ratio(situation: Situation, kbits: float) -> float:
    """How probably a frame of that size is answered in time: over the server's recent times, evenly."""
    there_and_back_ms = 2 * situation.link.wire_ms
    server_ms = situation.server_ms or (0.0,)
    return sum(
        situation.link.arrival_ratio(kbits, situation.left_ms - there_and_back_ms - one)
        for one in server_ms
    ) / len(server_ms)
