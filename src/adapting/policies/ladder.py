"""`ladder`: what is worth most, weighed by the odds that it is in time. Ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ...core.link import transmission_ms
from ...core.verdict import Reason
from .port import Sending, Situation
from .rungs import DEFAULT_LADDER, Knob, parse_ladder

LATE_COST = 2.0
"""What a missed frame costs, this one or one that it displaces, where the value of one in time is its accuracy, 0 to 1."""
ENOUGH_RATIO = 0.97
"""Odds at which a rung suffices, and the knobs after it are left alone."""
FRAME_DIVISORS = (1, 2, 3)


class _Turned(NamedTuple):
    """What may be given up on a rung: size, quality, all but one frame of so many."""

    is_size: bool
    is_quality: bool
    divisors: Sequence[int]


class LadderPolicy:
    """Sends what is worth most: accuracy if it is in time, a cost if it is late, and for each frame behind that it displaces.

    The odds come from how far recent frames fell short of what the estimate promised, and from the
    times that the server took. A frame that would be late by the estimate itself is never sent.
    """

    def __init__(self, ladder: Sequence[str] = DEFAULT_LADDER) -> None:
        """Takes a ladder as of `parse_ladder`, which says what is wrong with it."""
        self._rungs = [
            _Turned(
                Knob.SIZE in knobs,
                Knob.QUALITY in knobs,
                FRAME_DIVISORS if Knob.FPS in knobs else FRAME_DIVISORS[:1],
            )
            for knobs in parse_ladder(ladder)
        ]

    def choose(self, situation: Situation) -> Sending | Reason:
        """See `Policy`."""
        best: _Choice | None = None
        for turned in self._rungs:
            best = _best_choice(situation, turned) or best
            if best is not None and best[1] >= ENOUGH_RATIO:
                break
        if best is None:
            return Reason.LINK_TOO_SLOW
        _, _, sending, divisor = best
        return Reason.SKIPPED if situation.sequence % divisor else sending


_Choice: TypeAlias = tuple[float, float, Sending, int]
"""What one way to send a frame is worth, how probably it is in time, the way, and one frame of how many is sent."""


def _best_choice(situation: Situation, turned: _Turned) -> _Choice | None:
    """The best of what turning these knobs alone allows; None if nothing is in time by the estimate."""
    is_size, is_quality, divisors = turned
    sizes = situation.useful_sizes()
    smallest = sizes[0]
    if not is_size:
        sizes = sizes[-1:]
    qualities = situation.qualities if is_quality else situation.qualities[:1]
    link, fps, size_ratio = situation.link, situation.fps, situation.size_ratio
    server_ms = situation.server_ms or (0.0,)
    wire_ms = 2 * link.wire_ms
    period_ms = 1000.0 / fps
    age_ms = situation.slo_ms - situation.left_ms
    best: _Choice | None = None
    for size in reversed(sizes):
        if best is not None and best[0] >= size.accuracy:
            break  # not even certainty would make a smaller one better
        making_ms = situation.making_ms(size.side_px)
        left_ms = situation.left_ms - making_ms
        made_in = fps * making_ms / 1000.0  # periods
        for quality in qualities:
            kbits = size.kbits * quality.size_ratio * size_ratio  # as `Situation.kbits`
            sending_ms = transmission_ms(kbits, link.bandwidth_kbps)
            if sending_ms + wire_ms + server_ms[0] > left_ms:
                continue
            for divisor in divisors:
                if made_in <= divisor and link.carries(kbits / divisor, fps):
                    break
            else:
                if size is not smallest:
                    continue
                divisor = 1
            in_time = link.odds.within_ratio(sending_ms, left_ms - wire_ms, server_ms)
            each_ms = divisor * period_ms
            free_ms = each_ms - age_ms - making_ms - situation.ack_ms
            displaced = link.odds.displaced(sending_ms, free_ms, each_ms)
            accuracy = size.accuracy * quality.accuracy_ratio
            lost = 1 - in_time + displaced
            worth = accuracy - lost * (accuracy + LATE_COST)
            value = worth / divisor
            if best is None or value > best[0]:
                best = (value, in_time, Sending(size, quality), divisor)
    return best
