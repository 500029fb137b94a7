"""Clocks that the kernel holds between a least and a most: both are set to the one that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.errors import RunError
from .port import ClockReading, Settings, require_available
from .sysfs import read_count, read_setting, write_setting


class RangeFiles(NamedTuple):
    """Where one range stands."""

    least: Path
    most: Path
    current: Path


class RangedClocks:
    """A `ClockGovernor` of one or several ranges that go together."""

    def __init__(self, ranges: Sequence[RangeFiles], listed: Sequence[int], per_mhz: int) -> None:
        """Changes nothing; takes at least one range, and the clocks that the kernel lists for all of them, in its unit."""
        self._ranges = ranges
        self._per_mhz = per_mhz
        self._listed = {round(clock / per_mhz): clock for clock in sorted(listed)}

    def available_mhz(self) -> tuple[int, ...]:
        """See the port."""
        return tuple(self._listed)

    def settings(self) -> Settings:
        """See the port."""
        files = [path for one in self._ranges for path in (one.least, one.most)]
        return {str(path): read_setting(path) for path in files}

    def set_mhz(self, mhz: int) -> None:
        """See the port."""
        clock = str(self._listed[require_available(mhz, self.available_mhz())])
        self.restore({str(path): clock for one in self._ranges for path in (one.least, one.most)})

    def reached(self) -> ClockReading:
        """See the port: the slowest. The kernel does not say why."""
        return ClockReading(min(read_count(one.current) for one in self._ranges) / self._per_mhz)

    def restore(self, settings: Settings) -> None:
        """See the port. No least is ever above its most; what can be written is, whatever else cannot."""
        problems: list[str] = []
        for one in self._ranges:
            try:
                is_raised = int(settings[str(one.most)]) > read_count(one.most)
                for path in (one.most, one.least) if is_raised else (one.least, one.most):
                    if read_setting(path) != settings[str(path)]:
                        write_setting(path, settings[str(path)])
            except (
                RunError,
                KeyError,
                ValueError,
            ) as error:  # of what an earlier server wrote down
                problems.append(str(error))
        if problems:
            raise RunError(problems[0])
