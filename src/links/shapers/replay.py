"""Sets a link to what its schedule says, in time."""

from __future__ import annotations

import asyncio
import time

from .link import Way
from .port import ShapedLink
from .schedule import LinkSchedule


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
