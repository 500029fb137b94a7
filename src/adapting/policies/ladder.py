"""`ladder`: what is worth most, weighed by the odds that it is in time. Ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...core.quality import JpegQuality
from ...core.verdict import Reason
from ..frame_sizes import FrameSize
from .port import Sending, Situation
from .rungs import DEFAULT_LADDER, Knob, parse_ladder

LATE_COST = 3.0
"""What a late frame costs, where the value of one in time is its accuracy, 0 to 1."""
ENOUGH_RATIO = 0.97
"""Odds at which a rung suffices, and the knobs after it are left alone."""
FRAME_DIVISORS = (1, 2, 3)


class _Choice(NamedTuple):
    """One way to send a frame, how probably it is in time, and what it is worth."""

    value: float
    in_time_ratio: float
    size: FrameSize
    quality: JpegQuality
    divisor: int


class LadderPolicy:
    """Sends what is worth most: accuracy if it is in time, a cost if it is late.

    The odds come from how far recent frames fell short of what the estimate promised, and from the
    times that the server took. A frame that would be late by the estimate itself is never sent.
    """

    def __init__(self, ladder: Sequence[str] = DEFAULT_LADDER) -> None:
        """Takes a ladder as of `parse_ladder`, which says what is wrong with it."""
        self._rungs = parse_ladder(ladder)

    def choose(self, situation: Situation) -> Sending | Reason:
        """See `Policy`."""
        best: _Choice | None = None
        for knobs in self._rungs:
            best = _best_choice(situation, knobs) or best
            if best is not None and best.in_time_ratio >= ENOUGH_RATIO:
                break
        if best is None:
            return Reason.LINK_TOO_SLOW
        if situation.sequence % best.divisor:
            return Reason.SKIPPED
        return Sending(best.size, best.quality)


def _best_choice(situation: Situation, knobs: frozenset[Knob]) -> _Choice | None:
    """The best of what turning these knobs alone allows; None if nothing is in time by the estimate."""
    sizes = situation.useful_sizes()
    smallest = sizes[0]
    sizes = sizes if Knob.SIZE in knobs else sizes[-1:]
    qualities = situation.qualities if Knob.QUALITY in knobs else situation.qualities[:1]
    divisors = FRAME_DIVISORS if Knob.FPS in knobs else FRAME_DIVISORS[:1]
    shortest_ms = situation.server_ms[0] if situation.server_ms else 0.0
    link, fps, size_ratio = situation.link, situation.fps, situation.size_ratio
    best: _Choice | None = None
    for size in reversed(sizes):
        if best is not None and best.value >= size.accuracy:
            break  # not even certainty would make a smaller one better
        making_ms = situation.making_ms(size.side_px)
        left_ms = situation.left_ms - making_ms
        made_in = fps * making_ms / 1000.0  # periods
        for quality in qualities:
            kbits = (
                size.kbits * quality.size_ratio * size_ratio
            )  # as `Situation.kbits`, for every frame
            if link.round_trip_ms(kbits) + shortest_ms > left_ms:
                continue
            for divisor in divisors:
                if made_in <= divisor and link.carries(kbits / divisor, fps):
                    break
            else:
                divisor = 0
            if not divisor and size is not smallest:
                continue
            in_time = in_time_ratio(situation, kbits, left_ms)
            worth = in_time * size.accuracy * quality.accuracy_ratio - (1 - in_time) * LATE_COST
            value = worth / (divisor or 1)
            if best is None or value > best.value:
                best = _Choice(value, in_time, size, quality, divisor or 1)
    return best


def in_time_ratio(situation: Situation, kbits: float, left_ms: float) -> float:
    """How probably a frame of that size is answered within a time: over the server's recent times, evenly."""
    left_ms -= 2 * situation.link.wire_ms
    server_ms = situation.server_ms or (0.0,)
    return situation.link.arrival_ratio(kbits, [left_ms - one for one in server_ms])
