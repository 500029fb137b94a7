"""Clocks of processor cores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .ranged_clocks import RangedClocks, RangeFiles
from .sysfs import SYS, read_count, read_counts

STEP_KHZ = 100_000  # of processors that list no clocks


def cpufreq_clocks(cores: Sequence[int], root: Path = SYS) -> RangedClocks | None:
    """The clocks that all of these cores have; None where one has none that can be set, as in a virtual machine.

    Cores that change their clock together are set together, also those that were not named. RunError tells of a list that cannot be read.
    """
    links = [root / f"devices/system/cpu/cpu{core}/cpufreq" for core in cores]
    if not links or not all(link.exists() for link in links):
        return None
    folders = sorted({link.resolve() for link in links})
    common = set.intersection(*(set(_listed_khz(folder)) for folder in folders))
    names = [f"scaling_{end}_freq" for end in ("min", "max", "cur")]
    return RangedClocks(
        [RangeFiles(*map(folder.joinpath, names)) for folder in folders], [*common], 1000
    )


def _listed_khz(folder: Path) -> Sequence[int]:
    listed = folder / "scaling_available_frequencies"
    if listed.exists():
        return read_counts(listed)
    least, most = (read_count(folder / f"cpuinfo_{end}_freq") for end in ("min", "max"))
    return range(least, most + 1, STEP_KHZ)
