"""What a run took, from the logs of its devices' energy; docs/metrics.md defines each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.records import EnergyRecord
from ..energy.port import Quality
from ..files.csv_log import read_records
from ..files.tidy_table import read_log

TOTAL = "total"
LOGS = "energy-*.csv"
_BATCHES = {"device_id": str, "at_ms": float, "inference_ms": float}
_WORSE = tuple(Quality).index


@dataclass(frozen=True, slots=True)
class EnergyOutcome:
    """What one device took, or all of them, from the first batch of the run to the end of the last.

    Attributes:
        quality: measured or modelled, the worst that counts; unavailable if nothing does.
        scope: whose energy it is.
        total_j: all of it; None if unavailable, as all below.
        above_idle_j: of that what batches took above idle.
        unplanned_j: of that what was drawn while no stream was planned there.
        counted_ratio: share of the time that was counted; energies lack the rest.
        answered_frame_j: total over the frames answered, in time or late; of all devices together alone.
        frames_per_j: the reverse.
    """

    quality: str
    scope: str
    total_j: float | None = None
    above_idle_j: float | None = None
    unplanned_j: float | None = None
    counted_ratio: float = 0.0
    answered_frame_j: float | None = None
    frames_per_j: float | None = None


def read_energy(folder: Path) -> Mapping[str, EnergyOutcome]:
    """What each device took, and `total`; empty if no device has a log of its energy, or nothing ran.

    Raises:
        UsageError: if a log is broken.
    """
    begins, ends, with_batches = [], [], set()
    for path in sorted(folder.glob("batches-*.csv")):
        log = read_log(path, _BATCHES)
        if len(log):
            with_batches.add(str(log["device_id"][0]))
            begins.append(float(log["at_ms"].min()))  # type: ignore[arg-type]
            ends.append(float((log["at_ms"] + log["inference_ms"]).max()))  # type: ignore[arg-type]
    rows: dict[str, list[EnergyRecord]] = {}
    for path in sorted(folder.glob(LOGS)):
        for row in read_records(path, EnergyRecord):
            rows.setdefault(row.device_id, []).append(row)
    if not rows or not begins:
        return {}
    window = min(begins), max(ends)
    devices = {device_id: _outcome(some, *window) for device_id, some in rows.items()}
    missing = with_batches - devices.keys()
    return {TOTAL: _together(list(devices.values()), is_whole=not missing), **devices}


def per_frame(
    energy: Mapping[str, EnergyOutcome], num_answered: int
) -> Mapping[str, EnergyOutcome]:
    """The same with what an answered frame took."""
    total = energy.get(TOTAL)
    if total is None or not total.total_j or not num_answered:
        return energy
    shared = replace(
        total,
        answered_frame_j=round(total.total_j / num_answered, 6),
        frames_per_j=round(num_answered / total.total_j, 4),
    )
    return {**energy, TOTAL: shared}


def in_words(energy: Mapping[str, EnergyOutcome]) -> str:
    """What all devices took, in a sentence; nothing where no device tells."""
    total = energy.get(TOTAL)
    if total is None:
        return ""
    if total.total_j is None:
        return "energy: unavailable, as not all devices tell theirs"
    text = f"energy ({total.quality}, of each {total.scope}): {total.total_j:.4g} J, {total.above_idle_j:.4g} J of it above idle"
    if total.frames_per_j is not None:
        text += (
            f"; {total.answered_frame_j:.3g} J an answered frame, {total.frames_per_j:.3g} frames/J"
        )
    if total.counted_ratio < 0.995:  # noqa: PLR2004 less than all, as it is shown
        text += f"; {total.counted_ratio:.0%} of the time was counted"
    return text


def _outcome(rows: Sequence[EnergyRecord], begin_ms: float, end_ms: float) -> EnergyOutcome:
    total_mj = above_mj = unplanned_mj = counted_ms = 0.0
    quality = None
    for row in rows:
        within_ms = min(row.end_ms, end_ms) - max(row.begin_ms, begin_ms)
        if row.quality == Quality.UNAVAILABLE or within_ms <= 0:
            continue
        share = within_ms / (row.end_ms - row.begin_ms)
        total_mj += share * (row.above_mj + row.idle_mj + row.unplanned_mj)
        above_mj += share * row.above_mj
        unplanned_mj += share * row.unplanned_mj
        counted_ms += within_ms
        quality = max(quality or Quality.MEASURED, Quality(row.quality), key=_WORSE)
    if quality is None:
        return EnergyOutcome(Quality.UNAVAILABLE, rows[-1].scope)
    counted_ratio = round(counted_ms / (end_ms - begin_ms), 4)
    total_j, above_j, unplanned_j = (
        round(mj / 1000, 4) for mj in (total_mj, above_mj, unplanned_mj)
    )
    scope = rows[-1].scope
    return EnergyOutcome(quality, scope, total_j, above_j, unplanned_j, counted_ratio)


def _together(devices: Sequence[EnergyOutcome], *, is_whole: bool) -> EnergyOutcome:
    scope = ", ".join(sorted({one.scope for one in devices}))
    quality = max((Quality(one.quality) for one in devices), key=_WORSE)
    if not is_whole or quality is Quality.UNAVAILABLE:
        return EnergyOutcome(Quality.UNAVAILABLE, scope)
    return EnergyOutcome(
        quality,
        scope,
        round(sum(one.total_j or 0.0 for one in devices), 4),
        round(sum(one.above_idle_j or 0.0 for one in devices), 4),
        round(sum(one.unplanned_j or 0.0 for one in devices), 4),
        min(one.counted_ratio for one in devices),
    )
