"""The cameras of a run: all alike, or a list of a file that the factor `cameras` names; docs/experiments.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.checks import echo
from ..core.errors import UsageError
from ..core.limits import FPS, SLO_MS, Range
from ..core.options import check_ranges, option, required
from ..files.document import Document
from ..files.yaml_file import read_yaml

LISTS_DIR = Path(__file__).with_name("camera_lists")
NUM_CAMERAS = Range(1, 64)  # of a run
START_S = Range(0.0, 600.0)
OWN_TRACE = "own"  # what a run's trace is called where each camera has its own


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCamera:
    """What one camera of a run promises, and how it is connected.

    Attributes:
        trace: name of its link's trace; empty for the run's.
        source: video that it looks at; empty for the run's.
        start_s: when it starts, counted from when the links do; None for a moment that the run draws.
        host: that plays it where runs are made on hosts; empty for any.
    """

    slo_ms: float = required(SLO_MS)
    fps: float = required(FPS)
    trace: str = ""
    source: str = ""
    start_s: float | None = option(None, limits=START_S)
    host: str = ""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListFile:
    """What a file says."""

    cameras: tuple[ListedCamera, ...]


def alike(num_cameras: int, slo_ms: float, fps: float) -> tuple[ListedCamera, ...]:
    """So many cameras that do not differ."""
    return (ListedCamera(slo_ms=slo_ms, fps=fps),) * num_cameras


def common(values: Iterable[float]) -> float | None:
    """The value of all; None if they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def read_camera_list(name: str, folder: Path) -> tuple[Document, tuple[ListedCamera, ...]]:
    """Reads a list that comes with Moonjelly; or a file, named with its suffix, that lies in a folder.

    Raises:
        UsageError: naming file, line, key and rule.
    """
    document = read_yaml(_place(name, folder))
    cameras = document.read(_ListFile).cameras
    if problem := NUM_CAMERAS.problem("num", len(cameras)):
        raise document.error(("cameras",), f"number of cameras {problem.removeprefix('num=')}")
    return document, cameras


def _place(name: str, folder: Path) -> Path:
    if Path(name).suffix:
        return folder / name
    shipped = {path.stem: path for path in LISTS_DIR.glob("*.yaml")}
    if name not in shipped:
        raise UsageError(f"{echo(name)}: must be {with_suffix(shipped)}")
    return shipped[name]


def with_suffix(shipped: Collection[str]) -> str:
    """The rule for what is shipped under names, or a user's file."""
    return f"one of {', '.join(sorted(shipped))}, or a file with a suffix"
