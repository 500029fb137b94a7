"""What came of each camera of a run: what a run adds to the tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.records import FrameRecord
from ..files.json_file import read_json, write_json
from ..reporting.profile_accuracy import ProfileAccuracy
from ..reporting.scores import Scores
from ..reporting.summary import Summary

CAMERAS_FILE = "cameras.json"
NO_SCORES = Scores()
_SAME = (
    "captured", "in_time", "late", "dropped", "in_time_ratio", "goodput_fps", "p50_ms", "p99_ms",
    "mean_side_px", "map", "map50",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CameraOutcome:
    """What came of a camera; docs/experiments.md defines the columns."""

    camera: str
    refused: int
    captured: int
    in_time: int
    late: int
    dropped: int
    in_time_ratio: float | None
    missed_ratio: float | None
    goodput_fps: float
    p50_ms: float | None
    p99_ms: float | None
    mean_side_px: float | None
    profile_map: float | None
    map: float | None
    map50: float | None
    viewed_map: float | None
    viewed_map50: float | None
    golden_f1: float | None
    golden_f1_detected: float | None
    matched_f1: float | None
    dropped_by: str


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of a run.

    Attributes:
        scores: over the frames of all cameras together.
        smallest_golden_f1_detected: what the smallest variant alone would have, were all frames in time; None if it was not
            looked at.
        smallest_profile_map: likewise by the zoo's table.
    """

    cameras: tuple[CameraOutcome, ...]
    scores: Scores = NO_SCORES
    smallest_golden_f1_detected: float | None = None
    smallest_profile_map: float | None = None


def camera_outcomes(
    summary: Summary,
    frames: Iterable[FrameRecord],
    refused: Collection[str],
    accuracy: ProfileAccuracy,
    scores: Mapping[str, Scores],
) -> tuple[CameraOutcome, ...]:
    """Gathers what came of each camera of a run."""
    credit: dict[str, float] = {}
    for frame in frames:
        credit[frame.stream_id] = credit.get(frame.stream_id, 0.0) + accuracy.of(frame)
    rows: list[CameraOutcome] = []
    for stream_id, one in summary.streams.items():
        drops = [
            f"{place}.{reason}={number}"
            for place, reasons in one.dropped_by.items()
            for reason, number in reasons.items()
        ]
        same = {name: getattr(one, name) for name in _SAME}
        rows.append(
            CameraOutcome(
                camera=stream_id,
                refused=int(stream_id in refused),
                missed_ratio=(one.late + one.dropped) / one.captured if one.captured else None,
                profile_map=credit.get(stream_id, 0.0) / one.captured if one.captured else None,
                **same,
                **dataclasses.asdict(scores.get(stream_id, NO_SCORES)),
                dropped_by=" ".join(drops),
            )
        )
    return tuple(rows)


def write_outcome(folder: Path, outcome: RunOutcome) -> None:
    """Writes what came of a run into its folder."""
    write_json(folder / CAMERAS_FILE, dataclasses.asdict(outcome))


def read_outcome(folder: Path) -> RunOutcome:
    """Reads what `write_outcome` wrote; UsageError if it is broken."""
    return read_json(folder / CAMERAS_FILE).read(RunOutcome)
