"""What one emulated link is to do: its rates over time, its delay, and its faults."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from ...core.checks import echo, require_id, require_not_negative, require_positive
from ..traces import LinkTrace

MAX_SECONDS = 86_400.0

Kind = TypeVar("Kind", bound=StrEnum)


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
    """

    name: str
    server: str
    uplink: LinkTrace | None = None
    downlink: LinkTrace | None = None
    wire_ms: float = 0.0
    jitter_ms: float = 0.0
    faults: tuple[Fault, ...] = ()
    port: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "faults", tuple(self.faults))
        require_id("name", self.name)
        require_not_negative("wire_ms", self.wire_ms, 60_000)
        require_not_negative("jitter_ms", self.jitter_ms, 60_000)
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
