"""GPU clocks of Jetson boards."""

from __future__ import annotations

from pathlib import Path

from .ranged_clocks import RangedClocks, RangeFiles
from .sysfs import SYS, read_counts

NODES = ("57000000.gpu", "17000000.gv11b", "17000000.ga10b", "17000000.gpu")  # Nano; Xavier; Orin


def devfreq_clocks(root: Path = SYS) -> RangedClocks | None:
    """The clocks of the board's GPU; None where there is none. RunError tells of a list that cannot be read."""
    for node in (root / "class/devfreq" / name for name in NODES):
        if node.exists():
            files = RangeFiles(node / "min_freq", node / "max_freq", node / "cur_freq")
            listed = read_counts(node / "available_frequencies")
            return RangedClocks([files], listed, per_mhz=1_000_000)
    return None
