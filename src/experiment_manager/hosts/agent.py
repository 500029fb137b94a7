"""The part of a run that a host does: a server, or some of the cameras; and zoos, kept for a server.

`python -m moonjelly.experiment_manager.hosts.agent` reads a request as one line of JSON, then commands,
one a line. It answers with events as lines of JSON: `ready`, `progress`, `done`, `failed`. It holds a
lease: when its input ends, or no line comes for as long as the request says, it stops what it has started
and ends. The files of a run go when it is told `remove` or has lost its lease; those of one that failed stay.
"""

# ruff: noqa: PLC0415  an agent answers at once; what its work needs takes a second to import
from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from ...core.errors import MoonjellyError, RunError
from .lease import Lease, LeaseLostError, LineReader
from .leftovers import note_process, remove_leftovers, run_folder

MODULE = "moonjelly.experiment_manager.hosts.agent"
GO = "go"
CHECK = "check"
STOP = "stop"
REMOVE = "remove"
_REQUEST_LIMIT_S = 30.0
_END_LIMIT_S = 12.0  # a server drains in 6 s
_PROGRESS_PERIOD_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an agent is asked to do.

    Attributes:
        action: a key of `_ACTIONS`.
        root: absolute folder of this host's files.
        experiment: id of the experiment, made by chance.
        run: id of the run; empty where all runs of the experiment are meant.
        lease_s: how long a line of the input counts.
    """

    action: str
    root: str
    experiment: str
    run: str = ""
    host: str = ""
    lease_s: float = 20.0
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the files of the request lie."""
        return run_folder(self.root, self.experiment, self.run, self.host)


def tell(event: str, **fields: object) -> None:
    """Writes an event; if nobody reads it, the lease will end as well."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()


def _serve(request: Request, lease: Lease) -> None:
    """Runs a server until told to stop; details: arguments (of `moonjelly serve`)."""
    from ...live_run.streaming import SERVER_LOG
    from ...reporting.run_folder import SERVER_DIR
    from ...server.running_server import RunningServer

    folder = request.folder
    arguments = [*request.details["arguments"], "--out-dir", str(folder / SERVER_DIR)]
    server = RunningServer(arguments, log_path=folder / SERVER_LOG)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(server)
        except RunError as error:
            lines = (folder / SERVER_LOG).read_text(errors="replace").strip().splitlines()
            raise RunError(f"{error}: {lines[-1] if lines else 'it is empty'}") from None
        note_process(folder, server.pid)
        tell("ready", address=server.address)
        lease.next_command()
    tell("done", status=server.exit_status, files=_files(folder))
    lease.next_command()


def _play(request: Request, lease: Lease) -> None:
    """Plays cameras; details: server (HOST:PORT), cameras, shaper, links in words, video_digests (of sources that are files), sides_px, fit, seconds, seed."""
    from ...adapting.frame_sizes import DEFAULT_QUALITY
    from ...core.clock import MonotonicClock
    from ...core.zoo import Fit
    from ...files.document import Document
    from ...links.shapers import start_links
    from ...live_run.cameras import LiveCamera
    from ...live_run.playing import (
        CameraReport,
        play_cameras,
    )
    from ...live_run.videos import seen_by

    folder, details = request.folder, request.details
    cameras = Document(None, details["cameras"]).read(tuple[LiveCamera, ...])
    seconds = float(details["seconds"])
    try:
        sources = [seen_by(camera) for camera in cameras]
    except ValueError:
        missing = ", ".join(sorted({camera.source for camera in cameras}))
        raise RunError(f"source: {missing}: is not there") from None
    for camera, source in zip(cameras, sources, strict=True):
        facts = source.video.facts
        if facts.path and facts.digest != details["video_digests"].get(facts.path):
            raise RunError(f"source: {facts.path}: has other bytes here than there")
        source.video.encode_ahead(
            source.numbers(camera.num_frames(seconds)),
            details["sides_px"],
            DEFAULT_QUALITY.quality,
            Fit(details["fit"]),
        )
    tell("ready")
    lease.next_command()
    zero_ms = MonotonicClock().now_ms()
    links = [camera.link(details["server"]) for camera in cameras]
    with start_links(links, folder, zero_ms, details["shaper"]) as shaper:
        note_process(folder, shaper.pid)
        results = play_cameras(
            cameras,
            sources,
            shaper.address,
            seconds,
            int(details["seed"]),
            folder,
            zero_ms,
            _Progress(),
        )
    reports = [
        dataclasses.asdict(CameraReport.of(result, link))
        for result, link in zip(results, details["links"], strict=True)
    ]
    tell("done", reports=reports, files=_files(folder))
    lease.next_command()


def _keep(request: Request, lease: Lease) -> None:
    """Keeps files that are put there for as long as it has its lease; details: files (name to SHA-256), size_bytes."""
    try:
        _take_in(request, lease)
        tell("done")
        while lease.next_command() == CHECK:
            tell("done")
    finally:
        _remove(request)  # what is not whole is of no use to anybody


def _take_in(request: Request, lease: Lease) -> None:
    """Has files put into the folder; RunError if they do not fit there, or are not what they should be."""
    folder, size_bytes = request.folder, int(request.details["size_bytes"])
    files: Mapping[str, str] = request.details["files"]
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < size_bytes:
        raise RunError(
            f"{request.root}: has {free_bytes / 1e6:.0f} MB free; the zoos need {size_bytes / 1e6:.0f} MB"
        )
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    tell("ready")
    lease.next_command()
    for name, sha256 in files.items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise RunError(
                    f"{name}: has other bytes here than it had; did it change meanwhile?"
                )


class _Progress:
    """Tells about once a second how many answers there were since it told last."""

    def __init__(self) -> None:
        self._num_answers = self._num_in_time = 0
        self._told_s = time.monotonic()

    def __call__(self, answer: Any) -> None:  # noqa: ANN401 importing its class takes a second
        self._num_answers += 1
        self._num_in_time += answer.is_in_time
        if time.monotonic() - self._told_s >= _PROGRESS_PERIOD_S:
            tell("progress", answers=self._num_answers, in_time=self._num_in_time)
            self._num_answers = self._num_in_time = 0
            self._told_s = time.monotonic()


def _files(folder: Path) -> list[str]:
    """The files to be fetched, relative to their folder."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in {".csv", ".json", ".jsonl", ".log"}
    )


def _describe(request: Request, lease: Lease) -> None:
    """Tells what machine this is, once nothing is left of runs that were broken off, and links can be shaped.

    Details: kernel_wire_ms, the longest delay of links that the kernel is to shape, if it is to shape any.
    """
    from ...links.shapers import LinkConfig, remove_dead, start_links
    from ..machine import describe_machine

    request.folder.mkdir(parents=True, exist_ok=True)  # a root that cannot be written is told now
    runs = list(request.folder.iterdir())
    num_ended = sum(remove_leftovers(run / request.host) for run in runs)  # others may be at work
    for folder in (*runs, request.folder):
        with contextlib.suppress(OSError):
            folder.rmdir()
    remove_dead()
    if (wire_ms := request.details.get("kernel_wire_ms")) is not None:
        with tempfile.TemporaryDirectory() as place:
            trial = LinkConfig("trial", "127.0.0.1:1", wire_ms=wire_ms)
            with start_links([trial], Path(place), shaper="kernel"):
                pass
    tell("done", machine=describe_machine(), num_ended=num_ended)


_ACTIONS: Mapping[str, Callable[[Request, Lease], None]] = {
    "serve": _serve,
    "play": _play,
    "keep": _keep,
    "describe": _describe,
}


def main() -> int:
    """Serves one request."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    try:
        lines = LineReader(sys.stdin.fileno())
        request = Request(**json.loads(lines.read(_REQUEST_LIMIT_S)))
        lease = Lease(lines, request.lease_s, REMOVE, _stop_soon)
        if not request.run:
            _ACTIONS[request.action](request, lease)
            return 0
        remove_leftovers(request.folder)
        request.folder.mkdir(parents=True)
        note_process(request.folder, os.getpid())
        try:
            _ACTIONS[request.action](request, lease)
        except (LeaseLostError, SystemExit):
            _remove(request)  # nobody will ask for the files
            raise
        _remove(request)
    except LeaseLostError:
        return 1
    except Exception as error:  # noqa: BLE001 whoever asked has to hear of it
        if not isinstance(error, (MoonjellyError, OSError)):
            traceback.print_exc()
        tell("failed", problem=str(error) or type(error).__name__)
        return 1
    return 0


def _remove(request: Request) -> None:
    """Removes the files of a run, and the folders that it leaves empty."""
    shutil.rmtree(request.folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # others use them
        for folder in (request.folder.parent, request.folder.parent.parent):
            folder.rmdir()


def _stop_soon() -> None:
    """Stops the work in good order, or after a while without any."""
    watchdog = threading.Timer(_END_LIMIT_S, os._exit, [1])  # servers and shapers end with us
    watchdog.daemon = True
    watchdog.start()
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    """Ends as by an error, so that whatever was started is stopped; once, so that what is removed is removed whole."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
