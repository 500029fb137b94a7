"""`moonjelly client`: one or many emulated devices, with logs, a summary and a table."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import math
import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..core.checks import require_id, require_positive
from ..core.clock import MonotonicClock
from ..core.errors import RunError, UsageError
from ..core.records import FrameRecord
from ..network.adaptation.registry import DEFAULT_POLICY
from ..network.adaptation.registry import NAMES as POLICY_NAMES
from ..network.estimators import DEFAULT_ESTIMATOR, ESTIMATORS
from ..network.shapers import LinkConfig, start_relay
from ..network.traces import LinkTrace, constant_trace, read_trace
from ..reporting.accuracy import read_detections
from ..reporting.csv_log import read_records
from ..reporting.run_folder import (
    DETECTIONS_FILE,
    FRAMES_FILE,
    RunInfo,
    describe_host,
    write_run_info,
)
from ..reporting.summary import summarise, write_summary
from ..reporting.table import outcome_table
from ..reporting.video import write_video
from ..vision.preprocessing import Image
from .answers import Answer
from .client import DEFAULT_ADDRESS
from .emulation import CameraResult, EmulatedCamera, OpenedSource, open_sources, run_cameras
from .errors import Refused
from .sources import FrameSource, NoPicture, is_live_source, open_source

MAX_CLIENTS = 1000
_BLANK_PX = 320


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add = parser.add_argument
    add("--server", default=DEFAULT_ADDRESS, metavar="HOST:PORT", help="(%(default)s)")
    add(
        "--source",
        default="scene:0",
        help="scene:SEED (drawn traffic), camera:NUMBER, an RTSP or HTTP URL, a folder of pictures or a "
        "video file (%(default)s)",
    )
    add("--fps", type=float, default=10.0, help="frame rate (%(default)s)")
    add("--slo-ms", type=float, default=200.0, help="bound on capture to answer (%(default)s)")
    add(
        "--clients",
        type=int,
        default=1,
        help="devices; scenes get seeds of their own (%(default)s)",
    )
    add("--seconds", type=float, help="how long to capture; until the source ends, or Ctrl-C")
    add("--out", type=Path, default=Path("runs/client"), metavar="DIR", help="(%(default)s)")
    add(
        "--link",
        metavar="MBPS|FILE",
        help="shape each device's uplink: a constant rate in Mbit/s, or a trace file such as those in "
        "network_shaping/, each device from a place of its own",
    )
    add("--wire-ms", type=float, default=0.0, help="added one-way delay of the link (%(default)s)")
    add("--zoo", default="", help="variants wanted; the server's, if not given")
    add(
        "--policy",
        default=DEFAULT_POLICY,
        help=f"how frames adapt to the link: {', '.join(POLICY_NAMES)} (%(default)s)",
    )
    add(
        "--estimator",
        default=DEFAULT_ESTIMATOR,
        choices=sorted(ESTIMATORS),
        help="how the rate of the uplink is estimated (%(default)s)",
    )
    add("--name", default="camera", help="stream ids are NAME-0, NAME-1, ... (%(default)s)")
    add("--seed", type=int, default=0, help="of starts and places in traces (%(default)s)")
    add("--video", action="store_true", help="write an annotated mp4 of each device")


def run(arguments: argparse.Namespace) -> int:
    """Streams, logs and sums up; 1 if a device was refused or failed, or frames do not add up."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # we say ourselves what went wrong
    out_dir: Path = arguments.out
    try:
        cameras = _cameras(arguments)
        links = _links(arguments, cameras)
        if arguments.seconds is not None:
            require_positive("seconds", arguments.seconds)
    except ValueError as error:
        raise UsageError(_as_option(error)) from None
    if arguments.video and is_live_source(arguments.source):
        raise UsageError("--video: needs a source that can be read again, not a camera")
    sources = open_sources(cameras)
    if arguments.video and any(getattr(source, "is_live", False) for source in sources):
        raise UsageError("--video: needs a source that can be read again, not a camera")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        zero_ms = MonotonicClock().now_ms()
        with contextlib.ExitStack() as stack:
            if links:
                relay = stack.enter_context(start_relay(links, out_dir, zero_ms))
                cameras = [
                    dataclasses.replace(camera, server=relay.address(camera.stream_id))
                    for camera in cameras
                ]
            results = asyncio.run(_stream(arguments, cameras, sources, zero_ms))
    except OSError as error:
        raise RunError(f"--out {out_dir}: {error}") from None
    return _report(arguments, results)


def _cameras(arguments: argparse.Namespace) -> list[EmulatedCamera]:
    if not 1 <= arguments.clients <= MAX_CLIENTS:
        raise ValueError(f"clients={arguments.clients}: must be 1 to {MAX_CLIENTS}")
    if arguments.seed < 0:
        raise ValueError(f"seed={arguments.seed}: must be at least 0")
    require_id("name", arguments.name)
    return [
        EmulatedCamera(
            stream_id=f"{arguments.name}-{number}",
            source=_source_of(arguments.source, number),
            fps=arguments.fps,
            slo_ms=arguments.slo_ms,
            server=arguments.server,
            zoo=arguments.zoo,
            policy=arguments.policy,
            estimator=arguments.estimator,
        )
        for number in range(arguments.clients)
    ]


def _source_of(source: str, number: int) -> str:
    """The source of a device: scenes differ from device to device, all else is shared."""
    kind, _, seed = source.partition(":")
    if kind == "scene" and seed.isascii() and seed.isdigit():
        return f"scene:{int(seed) + number}"
    return source


def _links(arguments: argparse.Namespace, cameras: Sequence[EmulatedCamera]) -> list[LinkConfig]:
    if arguments.link is None and not arguments.wire_ms:
        return []
    generator = random.Random(arguments.seed)  # noqa: S311 only spreads the devices over the trace
    trace = None if arguments.link is None else _trace(arguments.link)
    return [
        LinkConfig(
            name=camera.stream_id,
            server=camera.server,
            uplink=trace
            and dataclasses.replace(trace, offset=generator.randrange(len(trace.values_mbps))),
            wire_ms=arguments.wire_ms,
        )
        for camera in cameras
    ]


def _trace(link: str) -> LinkTrace:
    try:
        mbps = float(link)
    except ValueError:
        return read_trace(Path(link))
    return constant_trace(require_positive("link", mbps))


def _link_words(arguments: argparse.Namespace) -> str:
    """The shaped link, as `run.json` describes it."""
    words = []
    if arguments.link is not None:
        is_file = Path(arguments.link).exists()
        words.append(Path(arguments.link).name if is_file else f"{arguments.link} Mbit/s")
    if arguments.wire_ms:
        words.append(f"{arguments.wire_ms:g} ms")
    return ", ".join(words)


def _as_option(error: ValueError) -> str:
    """Names the option in place of the field."""
    field, equals, rest = str(error).partition("=")
    return f"--{field.replace('_', '-')}{equals}{rest}"


async def _stream(
    arguments: argparse.Namespace,
    cameras: Sequence[EmulatedCamera],
    sources: Sequence[OpenedSource],
    zero_ms: float,
) -> list[CameraResult]:
    """Runs the devices; the first interrupt ends them in good order, the second at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    with _progress(cameras, arguments.seconds) as on_answer:
        return await run_cameras(
            cameras,
            arguments.seconds,
            arguments.out,
            sources=sources,
            zero_ms=zero_ms,
            seed=arguments.seed,
            stop=stop,
            on_answer=on_answer,
        )


@contextlib.contextmanager
def _progress(cameras: Sequence[EmulatedCamera], seconds: float | None) -> Iterator[_Bar]:
    """Shows how far the run is, on standard error."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    total = None if seconds is None else sum(max(1, round(seconds * one.fps)) for one in cameras)
    with progress:
        yield _Bar(progress, total, len(cameras))


class _Bar:
    """Counts answers on a progress bar."""

    def __init__(self, progress: Progress, total: int | None, num_cameras: int) -> None:
        self._progress = progress
        self._num_in_time = self._num_answers = 0
        title = f"{num_cameras} device{'s' if num_cameras > 1 else ''}"
        self._task = progress.add_task(title, total=total, note="")

    def __call__(self, answer: Answer) -> None:
        self._num_answers += 1
        self._num_in_time += answer.is_in_time
        share = 100 * self._num_in_time / self._num_answers
        self._progress.update(self._task, advance=1, note=f"{share:.1f} % in time")


def _report(arguments: argparse.Namespace, results: Sequence[CameraResult]) -> int:
    """Writes what came of the run, and shows it."""
    out_dir: Path = arguments.out
    frames = read_records(out_dir / FRAMES_FILE, FrameRecord)
    span_ms = max((row.captured_ms for row in frames), default=0.0) - min(
        (row.captured_ms for row in frames), default=0.0
    )
    info = RunInfo(
        kind="client",
        seconds=arguments.seconds or span_ms / 1000,
        streams=tuple(result.stream_info(_link_words(arguments)) for result in results),
        settings={
            name: str(value)
            for name, value in sorted(vars(arguments).items())
            if name not in ("command", "run")
        },
        host=describe_host(),
    )
    write_run_info(out_dir, info)
    summary = summarise(info, frames)
    write_summary(out_dir, summary)
    if arguments.video:
        _write_videos(out_dir, results, frames)
    if frames:
        Console().print(outcome_table(summary))
        sys.stdout.write(f"logs: {out_dir}\n")
    problems = summary.problems()
    for result in results:
        problems.extend(_problem_of(result))
    for problem in problems:
        sys.stderr.write(f"moonjelly: {problem}\n")
    return 1 if problems else 0


def _problem_of(result: CameraResult) -> list[str]:
    """What went wrong with a device, in words for its user."""
    if isinstance(result.problem, Refused):
        refused = result.problem
        lines = [f"{refused.stream_id} was refused ({refused.reason}): {refused.detail}"]
        lines += [
            f"  would fit now: --fps {_down(offer.fps)} --slo-ms {_up(offer.slo_ms)}"
            for offer in refused.counter_offers
        ]
        if not refused.counter_offers:
            lines.append("  nothing would fit now")
        return lines
    return [] if result.problem is None else [str(result.problem)]


def _down(fps: float) -> str:
    return f"{math.floor(fps * 100) / 100:g}"


def _up(slo_ms: float) -> str:
    return f"{math.ceil(slo_ms)}"


def _write_videos(
    out_dir: Path, results: Sequence[CameraResult], frames: Sequence[FrameRecord]
) -> None:
    """Writes the annotated videos, reading the sources once more."""
    detections = read_detections(out_dir / DETECTIONS_FILE)
    for result in results:
        stream_id = result.camera.stream_id
        rows = sorted(
            (row for row in frames if row.stream_id == stream_id), key=lambda row: row.sequence
        )
        if not rows:
            continue
        source = open_source(result.camera.source, result.camera.fps)
        with contextlib.closing(source):
            write_video(
                out_dir / f"{stream_id}.mp4",
                result.stream_info(),
                rows,
                {
                    sequence: found
                    for (name, sequence), found in detections.items()
                    if name == stream_id
                },
                _Again(source),
                result.class_names,
            )


class _Again:
    """Gives the pictures of a run once more; a frame that had none shows the one before."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._image: Image = np.zeros((_BLANK_PX, _BLANK_PX, 3), np.uint8)

    def __call__(self, sequence: int) -> Image:
        with contextlib.suppress(NoPicture):
            image = self._source.read(sequence)
            if not isinstance(image, np.ndarray):
                raise RunError(f"frame {sequence} cannot be read again for the video")
            self._image = image
        return self._image
