"""What a link is set to at any time: its traces, cut by its faults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from ..traces import LinkTrace
from .link import Fault, FaultKind, LinkConfig, Way

UNLIMITED_KBPS = 10_000_000.0


class LinkSchedule:
    """Tells the rates and the breaks of a link; times count from the start of its traces (s)."""

    def __init__(
        self,
        uplink: LinkTrace | None = None,
        downlink: LinkTrace | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        """Takes what `LinkConfig` says of a link."""
        self._traces = {Way.UP: uplink, Way.DOWN: downlink}
        self._cuts = [fault for fault in faults if fault.kind is FaultKind.CUT]
        self._breaks = sorted(
            (fault for fault in faults if fault.kind is not FaultKind.CUT),
            key=lambda fault: fault.at_s,
        )
        edges = {edge for cut in self._cuts for edge in (cut.at_s, cut.at_s + cut.seconds)}
        self._moments = sorted(edges | {fault.at_s for fault in self._breaks})

    @classmethod
    def of(cls, config: LinkConfig) -> Self:
        """The schedule of a link."""
        return cls(config.uplink, config.downlink, config.faults)

    def rate_kbps(self, way: Way, at_s: float) -> float:
        """The rate of one way, up or down (1000 bit/s); 0 is an outage."""
        if any(_is_cut(cut, way, at_s) for cut in self._cuts):
            return 0.0
        trace = self._traces[way]
        return UNLIMITED_KBPS if trace is None else trace.rate_kbps(at_s)

    def next_change_s(self, at_s: float) -> float:
        """The first moment after `at_s` at which something may change; infinite if nothing does."""
        moments = [moment for moment in self._moments if moment > at_s][:1]
        moments += [_next_value_s(trace, at_s) for trace in self._traces.values()]
        return min(moments)

    def breaks(self, after_s: float, until_s: float) -> list[FaultKind]:
        """What happens to connections after one moment, until another, in order."""
        return [fault.kind for fault in self._breaks if after_s < fault.at_s <= until_s]


def _is_cut(cut: Fault, way: Way, at_s: float) -> bool:
    return cut.way in (way, Way.BOTH) and cut.at_s <= at_s < cut.at_s + cut.seconds


def _next_value_s(trace: LinkTrace | None, at_s: float) -> float:
    if trace is None or len(trace.values_mbps) == 1:
        return math.inf
    return trace.next_change_s(at_s)
