"""`summary.json`: what came of a run, per stream and in total; docs/metrics.md defines each field."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..core.checks import echo
from ..core.errors import UsageError
from ..core.records import FrameRecord
from ..core.verdict import Verdict
from ..files.json_file import read_json, write_json
from ..vision.accuracy import Accuracy, LabelAccuracy
from .device_outcome import DeviceOutcome
from .energy import EnergyOutcome, per_frame
from .run_folder import SUMMARY_FILE, RunInfo, StreamInfo
from .tally import StreamTally, quantiles_ms, together
from .tenant_outcome import Fairness, TenantOutcome, Windows, fairness_of
from .tenant_outcome import outcomes as tenant_outcomes

SCHEMA_VERSION = 1
TOTAL = "total"


@dataclass(frozen=True, slots=True)
class FramesOutcome:
    """What came of the frames of one stream, or of all of them.

    Attributes:
        captured: frames taken from the source.
        in_time: answered within the SLO.
        late: answered after it.
        dropped: given up.
        dropped_by: place to reason to number of frames.
        lost: captured and without a verdict; 0 in a sound run.
        duplicated: second answers; 0 in a sound run.
        in_time_ratio: in_time over captured; None if nothing was captured.
        goodput_fps: in_time per second of the run.
        map: mAP@[.5:.95] against the truth, late and dropped frames counting as empty answers; None
            where there is no truth.
        map50: likewise mAP@.5.
        mean_side_px: of answered frames; None if there are none.
        p50_ms: median latency of answered frames, capture to answer; likewise p99_ms.
        variants: variant to answered frames.
        top1: of labels in place of mAP: share of the frames answered in time whose best label is right.
    """

    captured: int
    in_time: int
    late: int
    dropped: int
    dropped_by: Mapping[str, Mapping[str, int]]
    lost: int
    duplicated: int
    in_time_ratio: float | None
    goodput_fps: float
    map: float | None
    map50: float | None
    mean_side_px: float | None
    p50_ms: float | None
    p99_ms: float | None
    variants: Mapping[str, int]
    top1: float | None = None

    def problems(self) -> list[str]:
        """What does not add up; empty in a sound run."""
        found = []
        verdicts = self.in_time + self.late + self.dropped
        if self.captured != verdicts + self.lost:
            found.append(f"captured {self.captured} but {verdicts} verdicts and {self.lost} lost")
        if self.lost:
            found.append(f"{self.lost} frames have no verdict")
        if self.duplicated:
            found.append(f"{self.duplicated} frames were answered twice")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOutcome(FramesOutcome):
    """What came of the frames of one stream, and what it asked for."""

    fps: float
    slo_ms: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run, of its streams by id; of its devices, and what they took, where their logs are at hand.

    Of tenants, and how evenly they fared, where there is more than one.
    """

    schema_version: int
    kind: str
    seconds: float
    streams: Mapping[str, StreamOutcome]
    total: FramesOutcome
    devices: Mapping[str, DeviceOutcome] = field(default_factory=dict)
    energy: Mapping[str, EnergyOutcome] = field(default_factory=dict)
    tenants: Mapping[str, TenantOutcome] = field(default_factory=dict)
    fairness: Fairness | None = None

    def problems(self) -> list[str]:
        """What does not add up, stream by stream; empty in a sound run."""
        return [
            f"{stream_id}: {problem}"
            for stream_id, stream in self.streams.items()
            for problem in stream.problems()
        ]


Kind = TypeVar("Kind", bound=FramesOutcome)


class RunTally:
    """Counts the frames of a run as they end, and sums them up."""

    def __init__(self, worth_of: Callable[[FrameRecord], float] | None = None) -> None:
        """Has counted nothing; `worth_of` tells the accuracy of the answer to a frame, where that is known."""
        self._streams: dict[str, StreamTally] = {}
        self._worth_of = worth_of

    def add(self, frame: FrameRecord) -> None:
        """Counts a frame, which needs no order."""
        tally = self._streams.get(frame.stream_id)
        if tally is None:
            tally = self._streams[frame.stream_id] = StreamTally()
        tally.add(frame, 0.0 if self._worth_of is None else self._worth_of(frame))

    def windows(self, info: RunInfo) -> Mapping[str, Sequence[Windows]]:
        """Tenant to what each of its streams had in each 10 s."""
        by_tenant: dict[str, list[Windows]] = {}
        for stream in info.streams:
            tally = self._streams.get(stream.stream_id) or StreamTally()
            by_tenant.setdefault(stream.tenant, []).append(tally.windows)
        return by_tenant

    @property
    def knows_worth(self) -> bool:
        """Whether the accuracy of answers is known."""
        return self._worth_of is not None

    def summary(
        self,
        info: RunInfo,
        accuracy: Mapping[str, Accuracy | LabelAccuracy] | None = None,
        devices: Mapping[str, DeviceOutcome] | None = None,
        energy: Mapping[str, EnergyOutcome] | None = None,
    ) -> Summary:
        """Sums up what was counted.

        Args:
            info: the run; its streams say how many frames were captured, independently of the log.
            accuracy: by stream id, and under `TOTAL` of all frames together; where it was measured.
            devices: how slow they were, where that is known.
            energy: what they took, likewise.

        Raises:
            UsageError: if a frame belonged to no stream of the run.
        """
        accuracy = accuracy or {}
        known = [stream.stream_id for stream in info.streams]
        if strangers := sorted(self._streams.keys() - set(known)):
            raise UsageError(f"frames of {strangers[0]}: no stream of this run")
        tallies = [self._streams.get(stream_id) or StreamTally() for stream_id in known]
        has_worth = self.knows_worth
        tenants = tenant_outcomes(self.windows(info), info.seconds, has_worth=has_worth)
        total = _outcome(FramesOutcome, info.streams, tallies, info.seconds, accuracy.get(TOTAL))
        return Summary(
            schema_version=SCHEMA_VERSION,
            kind=info.kind,
            seconds=info.seconds,
            streams={
                one.stream_id: _outcome(
                    StreamOutcome,
                    [one],
                    [tally],
                    info.seconds,
                    accuracy.get(one.stream_id),
                    fps=one.fps,
                    slo_ms=one.slo_ms,
                )
                for one, tally in zip(info.streams, tallies, strict=True)
            },
            total=total,
            devices=devices or {},
            energy=per_frame(energy or {}, total.in_time + total.late),
            tenants=tenants,
            fairness=fairness_of(tenants),
        )


def summarise(
    info: RunInfo,
    frames: Iterable[FrameRecord],
    accuracy: Mapping[str, Accuracy | LabelAccuracy] | None = None,
    devices: Mapping[str, DeviceOutcome] | None = None,
    energy: Mapping[str, EnergyOutcome] | None = None,
    worth_of: Callable[[FrameRecord], float] | None = None,
) -> Summary:
    """Counts the rows of `frames.csv`; see `RunTally`."""
    tally = RunTally(worth_of)
    for frame in frames:
        tally.add(frame)
    return tally.summary(info, accuracy, devices, energy)


def _outcome(
    kind: type[Kind],
    streams: Sequence[StreamInfo],
    tallies: Sequence[StreamTally],
    seconds: float,
    accuracy: Accuracy | LabelAccuracy | None,
    **asked: float,
) -> Kind:
    tally = tallies[0] if len(tallies) == 1 else together(tallies)
    captured = sum(stream.captured for stream in streams)
    in_time = tally.total(Verdict.IN_TIME)
    p50_ms, p99_ms = quantiles_ms(tallies, 0.5, 0.99)
    return kind(
        captured=captured,
        in_time=in_time,
        late=tally.total(Verdict.LATE),
        dropped=tally.total(Verdict.DROPPED),
        dropped_by=tally.dropped_by(),
        lost=captured - sum(len(one.seen) for one in tallies),
        duplicated=sum(stream.duplicated for stream in streams),
        in_time_ratio=in_time / captured if captured else None,
        goodput_fps=in_time / seconds if seconds > 0 else 0.0,
        map=accuracy.map if isinstance(accuracy, Accuracy) else None,
        map50=accuracy.map50 if isinstance(accuracy, Accuracy) else None,
        mean_side_px=tally.mean_side_px(),
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        variants=dict(sorted(tally.variants.items())),
        top1=accuracy.top1 if isinstance(accuracy, LabelAccuracy) else None,
        **asked,
    )


def write_summary(folder: Path, summary: Summary) -> None:
    """Writes `summary.json`, whole or not at all; ratios and times with four decimals."""
    values = dataclasses.asdict(summary)
    parts = [values["total"], *values["streams"].values(), *values["tenants"].values()]
    for outcome in (*parts, *([values["fairness"]] if summary.fairness else [])):
        outcome |= {
            name: round(value, 4) for name, value in outcome.items() if isinstance(value, float)
        }
    write_json(folder / SUMMARY_FILE, values)


def read_summary(folder: Path) -> Summary:
    """Reads `summary.json`.

    Raises:
        UsageError: if it is not there, of another schema, or broken.
    """
    document = read_json(folder / SUMMARY_FILE)
    version = document.data.get("schema_version") if isinstance(document.data, dict) else None
    if version not in (None, SCHEMA_VERSION):
        raise document.error(("schema_version",), f"{echo(version)}: must be {SCHEMA_VERSION}")
    return document.read(Summary)
