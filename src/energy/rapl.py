"""Energy counters of x86 processors: a package's, as zones inside it are parts of it, and `psys` is more than it."""

from __future__ import annotations

from pathlib import Path

from .meters import CountedMeter
from .port import MeterFacts
from .sysfs import SYS, read_count, read_setting


def rapl_meter(package: int = 0, root: Path = SYS) -> CountedMeter | None:
    """A meter of a package, which other processes use too; None where there is none. Its counter is as a rule root's alone."""
    for zone in (root / "class/powercap").glob("intel-rapl:*"):  # AMD's have that name, too
        if read_setting(zone / "name") == f"package-{package}":
            range_mj = read_count(zone / "max_energy_range_uj") / 1000
            facts = MeterFacts(f"rapl-{package}", "package", window_ms=1.0)
            return CountedMeter(facts, lambda: read_count(zone / "energy_uj") / 1000, range_mj)  # noqa: B023
    return None
