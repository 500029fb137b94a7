"""The meter of a simulated device, which draws more or less than its table says."""

from __future__ import annotations

from random import Random

TICK_MS = 100.0


class DepartingMeter:
    """Departs from a table's total, in each tick by another part of up to `departure_ratio`, half of which stays for some seconds.

    Attributes:
        total_mj: that it has counted.
    """

    STAYS_TICKS = 50

    def __init__(self, departure_ratio: float, random: Random) -> None:
        """Has counted nothing."""
        self.total_mj = 0.0
        self._most = departure_ratio / 2
        self._random = random
        self._stays = 0.0
        self._table_mj = 0.0
        self._num_ticks = 0

    def tick(self, table_mj: float) -> None:
        """A tick is over; takes what the table's total is by now."""
        if self._num_ticks % self.STAYS_TICKS == 0:
            self._stays = self._random.uniform(-self._most, self._most)
        self._num_ticks += 1
        departs = self._stays + self._random.uniform(-self._most, self._most)
        self.total_mj += (table_mj - self._table_mj) * (1 + departs)
        self._table_mj = table_mj
