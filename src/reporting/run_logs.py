"""Everything that a run's folder tells, read at once: what figures, video and page are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..core.records import FrameRecord, ServerFrameRecord
from ..files.csv_log import read_records
from .run_folder import (
    FRAMES_FILE,
    SERVER_DIR,
    SERVER_FRAMES_FILES,
    RunInfo,
    StreamInfo,
    link_file,
    read_run_info,
)

STRAGGLE_S = 0.5  # frames that are captured so much late do not stretch a figure


class LinkRate(NamedTuple):
    """What a link was set to from a moment on (a row of `link-<stream>.csv`)."""

    at_ms: float
    rate_kbps: float


class PlannedRate(NamedTuple):
    """What a server thought of a stream's link when a frame came (of `server_frames.csv`)."""

    sequence: int
    rate_kbps: float


@dataclass(frozen=True, slots=True)
class RunLogs:
    """A run as its logs tell it.

    Attributes:
        info: how it was made.
        frames: stream id to its captured frames, oldest first.
        links: stream id to what its link was set to; empty where nothing was shaped.
        planned: stream id to the rate that its server planned with, at each frame that reached it; empty
            where the server's logs are not in the folder.
    """

    info: RunInfo
    frames: Mapping[str, tuple[FrameRecord, ...]]
    links: Mapping[str, tuple[LinkRate, ...]]
    planned: Mapping[str, tuple[PlannedRate, ...]] = field(default_factory=dict)

    @property
    def start_ms(self) -> float:
        """When the first frame was captured, on the time axis of the logs; figures begin there."""
        return min((rows[0].captured_ms for rows in self.frames.values() if rows), default=0.0)

    @property
    def shown_s(self) -> float:
        """How long figures show it (s): as long as each stream captured, or until the last frame where some started later."""
        last_ms = max((rows[-1].captured_ms for rows in self.frames.values() if rows), default=0.0)
        needed_s = (last_ms - self.start_ms) / 1000
        return needed_s if needed_s > self.info.seconds + STRAGGLE_S else self.info.seconds

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """The streams in the order of the run."""
        return self.info.streams


def read_run_logs(folder: Path) -> RunLogs:
    """Reads a run's folder.

    Raises:
        UsageError: naming the file that is missing or broken.
    """
    info = read_run_info(folder)
    frames: dict[str, list[FrameRecord]] = {one.stream_id: [] for one in info.streams}
    for frame in read_records(folder / FRAMES_FILE, FrameRecord):
        frames.setdefault(frame.stream_id, []).append(frame)
    links: dict[str, tuple[LinkRate, ...]] = {}
    for stream in info.streams:
        path = folder / link_file(stream.stream_id)
        links[stream.stream_id] = tuple(read_records(path, LinkRate)) if path.exists() else ()
    planned: dict[str, list[PlannedRate]] = {}
    for path in (
        *folder.glob(SERVER_FRAMES_FILES),
        *(folder / SERVER_DIR).glob(SERVER_FRAMES_FILES),
    ):
        for row in read_records(path, ServerFrameRecord):
            planned.setdefault(row.stream_id, []).append(
                PlannedRate(row.sequence, row.planned_kbps)
            )
    return RunLogs(
        info,
        {name: tuple(sorted(rows, key=lambda one: one.sequence)) for name, rows in frames.items()},
        links,
        {name: tuple(sorted(rates)) for name, rates in planned.items()},
    )
