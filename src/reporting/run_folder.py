"""A run's folder: which files it holds, and the facts that its logs do not tell."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..core.addresses import mask_address, mask_addresses
from ..core.checks import require_id, require_not_negative, require_positive
from ..core.stream import DEFAULT_TENANT
from ..files.json_file import read_json, write_json

RUN_FILE = "run.json"
FRAMES_FILE = "frames.csv"
ANSWERS_FILE = "answers.jsonl"
SUMMARY_FILE = "summary.json"
REPORT_FILE = "report.html"
TENANTS_FILE = "tenants.csv"
SERVER_DIR = "server"  # in the folder of a run that started its own
SERVER_FRAMES_FILES = "server_frames*.csv"  # one of each endpoint


def link_file(stream_id: str) -> str:
    """Name of the log of what a stream's link was set to (columns at_ms, rate_kbps)."""
    return f"link-{stream_id}.csv"


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a run.

    Attributes:
        stream_id: unique in the run.
        fps: frame rate.
        slo_ms: bound on capture to answer.
        captured: frames that the client's ledger took in.
        duplicated: answers that came for frames that had their verdict already.
        source: where its frames come from, in words; passwords in an address are hidden.
        link: what lies between it and the server, in words.
        note: what else befell it, for example a refusal.
        tenant: whose stream it is, where that is known.
    """

    stream_id: str
    fps: float
    slo_ms: float
    captured: int
    duplicated: int = 0
    source: str = ""
    link: str = ""
    note: str = ""
    tenant: str = DEFAULT_TENANT

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", mask_address(self.source))
        object.__setattr__(self, "note", mask_addresses(self.note))
        require_id("stream_id", self.stream_id)
        require_positive("fps", self.fps)
        require_positive("slo_ms", self.slo_ms)
        require_not_negative("captured", self.captured)
        require_not_negative("duplicated", self.duplicated)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """How a run was made.

    Attributes:
        kind: which program made it: demo, client, simulation.
        seconds: how long frames were captured.
        streams: one entry each.
        settings: whatever else fixes the run, name to value, shown as it stands.
        host: the machine and the releases it ran.
    """

    kind: str
    seconds: float
    streams: tuple[StreamInfo, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = {name: mask_addresses(str(value)) for name, value in self.settings.items()}
        object.__setattr__(self, "settings", settings)

    def stream(self, stream_id: str) -> StreamInfo:
        """A stream by its id; KeyError if the run has none."""
        for stream in self.streams:
            if stream.stream_id == stream_id:
                return stream
        raise KeyError(stream_id)


def describe_host() -> dict[str, str]:
    """The machine and the releases that decide about a run's numbers."""
    facts = {
        "system": f"{platform.system()} {platform.release()}",
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
    }
    for name in ("moonjelly", "torch", "grpcio"):
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    return facts


def write_run_info(folder: Path, info: RunInfo) -> None:
    """Writes `run.json`, whole or not at all."""
    write_json(folder / RUN_FILE, dataclasses.asdict(info))


def read_run_info(folder: Path) -> RunInfo:
    """Reads `run.json`.

    Raises:
        UsageError: if the folder holds no run, or the file is broken.
    """
    return read_json(folder / RUN_FILE).read(RunInfo)
