"""What one address may take of an endpoint in the name of one tenant, whatever it declares. Pure: its driver says what time it is."""

from __future__ import annotations

import ipaddress
import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .streams.policing import TokenBucket

PREFIX_BITS = 64
"""Whoever has an address of IPv6 has as a rule the whole network that its first bits name."""
MOST_VISITORS = 4096
"""That are remembered apart; the rest share one allowance."""
SWEEP_MS = 1000.0
REGISTERS_BURST_S = 2.0
FRAMES_BURST_S = 1.0
KBITS_PER_MBIT = 1000.0
PIXELS_PER_MPIXEL = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Each is of one address and tenant, at one endpoint process.

    Attributes:
        address_connections: with calls on them, at a time.
        address_unopened_calls: of Stream, whose first message has not come.
        address_health_calls: at a time.
        address_registers_per_s: whatever becomes of them; two seconds' worth may come at once.
        address_sessions: streams that are registered.
        address_silent_sessions: those of them that send nothing.
        address_mbits_per_s: encoded frames, of all its streams together; a second's worth may come at once.
        address_mpixels_per_s: pixels of those frames, likewise.
    """

    address_connections: float = math.inf
    address_unopened_calls: float = math.inf
    address_health_calls: float = math.inf
    address_registers_per_s: float = math.inf
    address_sessions: float = math.inf
    address_silent_sessions: float = math.inf
    address_mbits_per_s: float = math.inf
    address_mpixels_per_s: float = math.inf


NO_LIMITS = Limits()


class Visitor(NamedTuple):
    """Who takes something.

    Attributes:
        address: as `network_of` gives it.
        tenant: whose token came along.
    """

    address: str
    tenant: str


NOBODY = Visitor("", "")


class Held(StrEnum):
    """What is taken and given back; the text is for the client."""

    CONNECTIONS = "connections"
    UNOPENED_CALLS = "streams that are not opened"
    HEALTH_CALLS = "calls of health"


class Share:
    """What one visitor has taken. Whoever asks for more is told why not; an empty text means that he may."""

    def __init__(self, limits: Limits, now_ms: float) -> None:
        """Nothing is taken yet."""
        self._limits = limits
        self._most = {
            Held.CONNECTIONS: limits.address_connections,
            Held.UNOPENED_CALLS: limits.address_unopened_calls,
            Held.HEALTH_CALLS: limits.address_health_calls,
        }
        self._held: Counter[Held] = Counter()
        self._calls: Counter[str] = Counter()  # on each connection
        registers_per_s = limits.address_registers_per_s
        kbps = KBITS_PER_MBIT * limits.address_mbits_per_s
        pixels_per_s = PIXELS_PER_MPIXEL * limits.address_mpixels_per_s
        self._registers = TokenBucket(registers_per_s, REGISTERS_BURST_S * registers_per_s, now_ms)
        self._kbits = TokenBucket(kbps, FRAMES_BURST_S * kbps, now_ms)
        self._pixels = TokenBucket(pixels_per_s, FRAMES_BURST_S * pixels_per_s, now_ms)

    def take(self, what: Held) -> str:
        """Takes one, until it is given back."""
        most = self._most[what]
        if self._held[what] >= most:
            return f"{what} of one address: must be at most {most:g}"
        self._held[what] += 1
        return ""

    def give_back(self, what: Held) -> None:
        """Gives one back that was taken."""
        self._held[what] -= 1

    def begin_call(self, connection: str) -> str:
        """A call comes over a connection, which counts as long as there are calls on it."""
        problem = "" if connection in self._calls else self.take(Held.CONNECTIONS)
        if not problem:
            self._calls[connection] += 1
        return problem

    def end_call(self, connection: str) -> None:
        """A call is over that began."""
        self._calls[connection] -= 1
        if not self._calls[connection]:
            del self._calls[connection]
            self.give_back(Held.CONNECTIONS)

    def register(self, now_ms: float) -> str:
        """A stream wants to be registered."""
        if self._registers.takes(now_ms):
            return ""
        most = self._limits.address_registers_per_s
        return f"registrations of one address: must be at most {most:g} a second"

    def frame(self, kbits: float, num_pixels: int, now_ms: float) -> str:
        """A frame was read."""
        if not self._kbits.takes(now_ms, kbits):
            most = self._limits.address_mbits_per_s
            return f"frames of one address: must be at most {most:g} Mbit/s"
        if not self._pixels.takes(now_ms, num_pixels):
            most = self._limits.address_mpixels_per_s
            return f"frames of one address: must be at most {most:g} Mpixel/s"
        return ""

    def sessions(self, num_sessions: int, num_silent: int) -> str:
        """Another stream wants a place beside so many, of which so many are silent."""
        most, most_silent = self._limits.address_sessions, self._limits.address_silent_sessions
        if num_sessions >= most:
            return f"streams of one address: must be at most {most:g}"
        if num_silent >= most_silent:
            return f"silent streams of one address: must be at most {most_silent:g}"
        return ""

    def is_idle(self, now_ms: float) -> bool:
        """Whether nothing would differ if it were forgotten."""
        buckets = (self._registers, self._kbits, self._pixels)
        return not self._held.total() and all(one.is_full(now_ms) for one in buckets)


class LimitTable:
    """The shares of all visitors."""

    def __init__(self, limits: Limits = NO_LIMITS) -> None:
        """Nobody has come yet."""
        self.limits = limits
        self._shares: dict[Visitor, Share] = {}
        self._swept_ms = -math.inf

    @property
    def num_visitors(self) -> int:
        """How many are remembered."""
        return len(self._shares)

    def share(self, visitor: Visitor, now_ms: float) -> Share:
        """What a visitor has taken. It stays his while he holds something."""
        share = self._shares.get(visitor)
        if share is None:
            if len(self._shares) >= MOST_VISITORS and now_ms - self._swept_ms >= SWEEP_MS:
                self._shares = {one: x for one, x in self._shares.items() if not x.is_idle(now_ms)}
                self._swept_ms = now_ms
            if len(self._shares) >= MOST_VISITORS:
                visitor = NOBODY
            share = self._shares.setdefault(visitor, Share(self.limits, now_ms))
        return share


def network_of(address: str) -> str:
    """What of an address counts as one: all of it, or of one of IPv6 its network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    network = ipaddress.ip_network((parsed, PREFIX_BITS), strict=False)
    return str(network.network_address)
