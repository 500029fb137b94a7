"""Visits of cells at a clock: a rest, the clock, and batches for as long as a meter takes to tell their power."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from ..core.clock import Clock
from ..core.errors import RunError
from .governed import GovernedDevice
from .measuring import WARM_UP, Amount, Run
from .samples import Cell, SampleFile

WINDOW_MS = 5000.0  # meters move about ten times a second: 2 % of that
REST_MS = 2000.0
LEAST_WINDOWS = 2  # of each cell, or there would be no spread
LOAD_MS = 300.0  # of batches before a window, in which pipelines fill
SETTLE_MS = 3000.0  # for a clock under load to be reached and looked at
MOST_TRIES = 3
ANY_NUMBER = 10**9

_log = logging.getLogger(__name__)


def in_windows(num_samples: int) -> Amount:
    """So many samples of each cell."""
    return Amount(
        num_samples,
        visit_samples=-(-num_samples // LEAST_WINDOWS),
        window_ms=WINDOW_MS,
        rest_ms=REST_MS,
    )


@dataclass(frozen=True, slots=True)
class Windows:
    """What runs batches, the device's governor, how long a visit is, and the machine's clock."""

    run: Run
    governed: GovernedDevice
    amount: Amount
    clock: Clock

    def visit(self, file: SampleFile, cell: Cell, num_samples: int) -> None:
        """A `Visit`. What ran at another clock, or while the meter failed, is thrown away, and run again twice.

        Raises:
            RunError: if it fails each time, or the governor ends.
        """
        for tries_left in reversed(range(MOST_TRIES)):
            took_ms, power_w, problem = self._try(cell)
            if not problem:
                for one in took_ms[WARM_UP:][:num_samples]:
                    file.add(cell, one, power_w)
                return
            if not tries_left:
                raise RunError(problem)
            _log.warning("%s; once more", problem)

    def idle_w(self, mhz: int) -> float:
        """What the device draws at a clock while nothing runs.

        Raises:
            RunError: if its meter fails each time, or the governor ends.
        """
        self.governed.ask(mhz)
        for _ in range(MOST_TRIES):
            self.governed.hear(self.amount.rest_ms)
            begin_ms = self.clock.now_ms()
            self.governed.hear(self.amount.window_ms)
            power_w, problem = self.governed.power_w(begin_ms, self.clock.now_ms())
            if power_w is not None:
                return power_w
        raise RunError(problem)

    def _try(self, cell: Cell) -> tuple[list[float], float | None, str]:
        governed = self.governed
        governed.ask(cell.clock_mhz or 0)
        governed.hear(self.amount.rest_ms)
        late_ms = self.clock.now_ms() + SETTLE_MS
        while True:  # under load, as a card that is idle may not show its clock
            self.run(cell, ANY_NUMBER, LOAD_MS)
            governed.hear()
            if governed.is_reached:
                break
            if self.clock.now_ms() > late_ms:
                return [], None, governed.clock_problem
        begin_ms = self.clock.now_ms()
        took_ms = self.run(cell, ANY_NUMBER, self.amount.window_ms)
        end_ms = self.clock.now_ms()
        governed.hear()
        power_w, problem = governed.power_w(begin_ms, end_ms)
        return took_ms, power_w, governed.clock_problem or problem
