"""What one emulated link is to do: its rates over time, its delay, and its faults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeVar

from ...core.checks import echo, require_id, require_not_negative, require_positive
from ..traces import LinkTrace

MAX_SECONDS = 86_400.0
Kind = TypeVar("Kind", bound=StrEnum)

UNLIMITED_KBPS = 10_000_000.0


class LinkSchedule:
    """Tells the rates and the breaks of a link; times count from the start of its traces (s)."""

    def __init__(
        self,
        uplink: LinkTrace | None = None,
        downlink: LinkTrace | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
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


class Way(StrEnum):
    """A way through a link."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


class FaultKind(StrEnum):
    """What happens to a link.

    * cut: nothing gets through for a while, and nobody is told.
    * reset: every connection is reset; both ends see it.
    * half-open: the connections that there are go dead for good, and nobody is told; new ones work.
    """

    CUT = "cut"
    RESET = "reset"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at a given time.

    Attributes:
        at_s: when, from the start of the traces.
        seconds: how long a cut lasts; 0 for the other kinds.
        way: which way a cut concerns; both for the other kinds.
    """

    at_s: float
    kind: FaultKind
    seconds: float = 0.0
    way: Way = Way.BOTH

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", _member(FaultKind, "kind", self.kind))
        object.__setattr__(self, "way", _member(Way, "way", self.way))
        require_not_negative("at_s", self.at_s, MAX_SECONDS)
        if self.kind is FaultKind.CUT:
            require_positive("seconds", self.seconds, MAX_SECONDS)
        elif self.seconds or self.way is not Way.BOTH:
            raise ValueError(
                f"kind={self.kind}: takes neither seconds nor way; it hits all connections at once"
            )


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """One emulated link.

    Attributes:
        name: unique among the links of a shaper; names the log.
        server: HOST:PORT that the link leads to.
        uplink: rate from clients to the server; None does not limit it.
        downlink: the same for the way back.
        wire_ms: added one-way delay, each way.
        jitter_ms: most that is randomly added to the delay, each way; bytes stay in order.
        faults: what happens to it, and when.
        port: where clients connect on loopback, if a relay shapes it; 0 takes a free one.
        source_port: where a relay's connection to the server comes from, one at a time; 0 for any.
    """

    name: str
    server: str
    uplink: LinkTrace | None = None
    downlink: LinkTrace | None = None
    wire_ms: float = 0.0
    jitter_ms: float = 0.0
    faults: tuple[Fault, ...] = ()
    port: int = 0
    source_port: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "faults", tuple(self.faults))
        require_id("name", self.name)
        require_not_negative("wire_ms", self.wire_ms, 60_000)
        require_not_negative("jitter_ms", self.jitter_ms, 60_000)
        if not 0 <= self.source_port <= 65535:  # noqa: PLR2004
            raise ValueError(f"source_port={self.source_port}: must be 1 to 65535")
        host, _, port = self.server.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) <= 65535):  # noqa: PLR2004
            raise ValueError(f"server={echo(self.server)}: must be HOST:PORT")

    @property
    def server_address(self) -> tuple[str, int]:
        """Host and port of the server."""
        host, _, port = self.server.rpartition(":")
        return host.strip("[]"), int(port)


def _member(kinds: type[Kind], field: str, value: str) -> Kind:
    try:
        return kinds(value)
    except ValueError:
        known = ", ".join(kinds)
        raise ValueError(f"{field}={echo(value)}: must be one of {known}") from None
