"""The policy `oracle`: ours, told how its link will be. For the simulator alone, to show what is possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..adapting.estimators import SentFrame
from ..adapting.estimators.port import between
from ..core.stream import Stream
from ..links.traces import LinkTrace

ORACLE = "oracle"


def rate_ahead_kbps(trace: LinkTrace, now_ms: float, ahead_ms: float) -> float:
    """The mean rate (1000 bit/s) from now until the moment in that time at which it is least.

    So whatever is sent now at that rate is through by when it says, if that is not later.
    """
    at_s, end_s = now_ms / 1000, (now_ms + ahead_ms) / 1000
    least_kbps, kbits, from_s = trace.rate_kbps(at_s), 0.0, at_s
    while from_s < end_s:
        to_s = min(trace.next_change_s(from_s), end_s)
        kbits += trace.rate_kbps(from_s) * (to_s - from_s)
        least_kbps = min(least_kbps, kbits / (to_s - at_s))
        from_s = to_s
    return least_kbps


class TrueRate:
    """A bandwidth estimator that knows the link until a frame's deadline.

    Attributes:
        wire_ms: one-way propagation delay.
    """

    def __init__(self, trace: LinkTrace, slo_ms: float, wire_ms: float) -> None:
        """Takes the link, and how far ahead it is known."""
        self.wire_ms = wire_ms
        self._trace = trace
        self._slo_ms = slo_ms

    def observe(self, frame: SentFrame, net_ms: float, now_ms: float) -> None:
        """Has nothing to learn."""

    def bandwidth_kbps(self, now_ms: float, oldest: SentFrame | None = None) -> float:
        """What the link carries from now until the deadline of a frame that is captured now."""
        del oldest
        return between(rate_ahead_kbps(self._trace, now_ms, self._slo_ms))


def told_the_truth(
    streams: Iterable[Stream], links: Mapping[str, LinkTrace], now_ms: float, ahead_ms: float
) -> tuple[Stream, ...]:
    """Streams as planning is told of them, with the true rate of the links that are given by stream id."""
    return tuple(
        replace(one, bandwidth_kbps=rate_ahead_kbps(links[one.stream_id], now_ms, ahead_ms))
        if one.stream_id in links and one.bandwidth_kbps > 0
        else one
        for one in streams
    )
