"""What a device draws, by its latency profile."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.mode import ModeTable, PowerTable
from ..core.variant import Variant
from .latency import MAX_BATCH_SIZE, LatencyFile


def power_table(file: LatencyFile, table: ModeTable) -> PowerTable | None:
    """What the device of a file draws in each mode of its `clock_table`; None if the file has no energy, or no idle power."""
    if not (file.idle_w and file.has_energy):
        return None
    costs = [cost for one in (table, *table.by_clock) for cost in one.every_cost]
    power_w = {cost.mode: (cost.energy_mj or 0.0) / cost.p50_ms for cost in costs}
    least_w, most_w = file.idle_w[0], file.idle_w[-1]
    idle_w: dict[float | None, float] = {None: most_w}
    for mhz in file.clocks_mhz:
        low, high = file.clocks_mhz[0], file.clocks_mhz[-1]
        share = (mhz - low) / (high - low) if high > low else 1.0
        idle_w[mhz] = least_w + share * (most_w - least_w)
    return PowerTable(power_w, idle_w)


def modes_of(file: LatencyFile, variants: Sequence[Variant]) -> ModeTable | None:
    """What the modes of a file's device cost by clock, with energy; None where the file has neither. Takes a while."""
    if not (file.clocks_mhz or file.has_energy):
        return None
    from .clocks import clock_table  # noqa: PLC0415 - loads scipy

    return clock_table(file, variants, MAX_BATCH_SIZE)
