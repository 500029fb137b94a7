"""What the shapers have in common: links that can be set, and what sets them to their schedule in time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from .link import FaultKind, LinkConfig, LinkSchedule, Way

OnUplinkRate = Callable[[float, float], None]
"""Called with the monotonic time (ms) and the rate (1000 bit/s) whenever an uplink's rate is set."""


@contextlib.contextmanager
def rate_log(out_dir: Path, name: str, zero_ms: float) -> Iterator[OnUplinkRate]:
    """Logs the rates of an uplink in `link-NAME.csv`, times from `zero_ms`; a full disk does not stop the link.

    Raises:
        OSError: if the file cannot be created.
    """
    file = (out_dir / f"link-{name}.csv").open("w", encoding="utf-8")

    def write(text: str) -> None:
        with contextlib.suppress(OSError):
            file.write(text)
            file.flush()

    write("at_ms,rate_kbps\n")
    try:
        yield lambda now_ms, rate_kbps: write(f"{now_ms - zero_ms:.3f},{rate_kbps:.3f}\n")
    finally:
        with contextlib.suppress(OSError):
            file.close()


class ShapedLink(Protocol):
    """A link that runs: what a replay of traces and faults sets."""

    def set_rate_kbps(self, way: Way, rate_kbps: float) -> None:
        """Sets the rate of one way, up or down; 0 is an outage."""

    async def break_connections(self, kind: FaultKind) -> None:
        """Resets the connections that there are, or leaves them half-open."""

    @property
    def address(self) -> str:
        """HOST:PORT where the link's client connects."""


class Shaper(NamedTuple):
    """Makes links.

    Attributes:
        server_command: what to put before the command that starts the server.
        server_options: options that the server needs, so that the links can lead to it.
        open_link: a link whose traces and faults start when the context is entered.
    """

    server_command: tuple[str, ...]
    server_options: tuple[str, ...]
    open_link: Callable[[LinkConfig, OnUplinkRate], AbstractAsyncContextManager[ShapedLink]]


class Replay:
    """Replays the traces and faults of one link; the same for every kind of shaper."""

    def __init__(self, schedule: LinkSchedule, link: ShapedLink) -> None:
        self._schedule = schedule
        self._link = link
        self._rates_kbps: dict[Way, float] = {}

    def start(self) -> None:
        """Sets what holds at first; time counts from here."""
        self._start_s = time.monotonic()
        self._set_rates(0.0)

    async def run(self) -> None:
        """Follows the schedule until nothing changes any more; what is past is left out."""
        at_s = 0.0
        while (change_s := self._schedule.next_change_s(at_s)) < float("inf"):
            await asyncio.sleep(self._start_s + change_s - time.monotonic())
            now_s = max(change_s, time.monotonic() - self._start_s)
            for kind in self._schedule.breaks(at_s, now_s):
                await self._link.break_connections(kind)
            self._set_rates(now_s)
            at_s = now_s

    def _set_rates(self, at_s: float) -> None:
        for way in (Way.UP, Way.DOWN):
            rate_kbps = self._schedule.rate_kbps(way, at_s)
            if self._rates_kbps.get(way) != rate_kbps:
                self._link.set_rate_kbps(way, rate_kbps)
                self._rates_kbps[way] = rate_kbps
