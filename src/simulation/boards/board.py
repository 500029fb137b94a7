"""Boards as LoudVA's table says they are, and what its controller and network take."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Mapping

from ...core.errors import UsageError
from ...core.mode import ModeTable
from ...scheduling.placement.port import WaitingFrame
from ...zoos import find_profile, open_zoo, read_latency_file

ZOO = "loudva"
CHANGE_MS = 100.0  # a change of clock, over HTTP. Source: LoudVA's logs, 70 to 130 ms
FEBRUARY, SEPTEMBER = "february", "september"
TRANSFER_MS: Mapping[str, Callable[[int], float]] = {
    FEBRUARY: lambda frames: 6.5 + 91.8 * frames,  # about 100 Mbit/s
    SEPTEMBER: lambda frames: 5.0 + 1.3 * frames,  # about 1 Gbit/s
}
"""What pixels of frames take from the controller to a board. Source: LoudVA's constraints of February and September 2025, on which it is added."""


def controller_ms(frames: int) -> float:
    """What the controller takes to decode frames and to open a connection, which no estimate of its scheduler knows.

    Source: LoudVA's medians from queue to answer, 1.4, 2.6 and 5.5 s for 8, 18 and 40 frames in February, 0.66, 1.2, 1.6 and 2.1 s for 8, 18,
    40 and 51 in September, less transfer and batch: a line by eye, 0.1 s off at most but for one.
    """
    return 300.0 + 22.0 * frames


class Board:
    """One board: what runs on it takes and draws what its table says.

    Attributes:
        batches: how many are on their way there, wait or run.
        free_at_ms: when it is through with them.
        asked_mhz: what its clock was set to; None if it is left to the board's own governor.
    """

    def __init__(self, device_type: str, table: ModeTable, own_mhz: float) -> None:
        """Idle at the clock that its own governor keeps it at."""
        self._costs = {one.clock_mhz: one.costs(0) for one in table.by_clock}
        self._clocks_mhz = [one.clock_mhz or 0.0 for one in table.by_clock]
        self._idle_w = _idle_w(device_type)
        self.most = len(table.costs(0))
        self.batches = 0
        self.free_at_ms = 0.0
        self.asked_mhz: float | None = None
        self._clock_mhz = own_mhz
        self.waiting: deque[tuple[WaitingFrame, ...]] = deque()
        self.is_running = False
        self._draws_w = self._idle_at_w()
        self._since_ms = self.total_mj = self.mhz_ms = 0.0

    def count(self, now_ms: float) -> None:
        """Takes what it has drawn until now."""
        passed_ms, self._since_ms = now_ms - self._since_ms, now_ms
        self.total_mj += self._draws_w * passed_ms
        self.mhz_ms += self._clock_mhz * passed_ms

    def set_clock(self, clock_mhz: float, now_ms: float) -> None:
        """What runs goes on as it began."""
        self.count(now_ms)
        self._clock_mhz = clock_mhz
        if not self.is_running:
            self._draws_w = self._idle_at_w()

    def batch_ms(self, size: int, clock_mhz: float | None = None) -> float:
        """What a batch takes, at its clock or another."""
        return self._costs[clock_mhz or self._clock_mhz][size - 1].p50_ms

    def start(self, size: int, now_ms: float) -> None:
        """A batch begins."""
        self.count(now_ms)
        cost = self._costs[self._clock_mhz][size - 1]
        self.is_running, self._draws_w = True, (cost.energy_mj or 0.0) / cost.p50_ms

    def stop(self, now_ms: float) -> None:
        """It has ended."""
        self.count(now_ms)
        self.is_running, self._draws_w = False, self._idle_at_w()

    @property
    def parked_w(self) -> float:
        """What it draws idle at its lowest clock."""
        return self._idle_w[0]

    def _idle_at_w(self) -> float:
        lowest, highest = self._clocks_mhz[0], self._clocks_mhz[-1]
        share = (self._clock_mhz - lowest) / (highest - lowest)
        return self._idle_w[0] + share * (self._idle_w[1] - self._idle_w[0])


@functools.cache
def _idle_w(device_type: str) -> tuple[float, float]:
    """What a board of the zoo draws idle at its lowest and its highest clock."""
    zoo = open_zoo(ZOO)
    path = find_profile(zoo, device_type, None)
    if path is None:
        raise UsageError(f"zoo {ZOO}: has no profile of {device_type}")
    idle_w = read_latency_file(path, zoo.variants).idle_w
    if not idle_w:
        raise UsageError(f"{path}: idle_w: is missing")
    return idle_w[0], idle_w[-1]
