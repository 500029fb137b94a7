"""`moonjelly client`: one or many emulated devices, with logs, a summary and a table."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import math
import os
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..core.addresses import mask_address, mask_addresses
from ..core.checks import plain, require_id, require_positive
from ..core.clock import MonotonicClock
from ..core.errors import MoonjellyError, RunError, UsageError
from ..core.open_files import allow_many_open_files
from ..core.records import FrameRecord
from ..network.adaptation.registry import DEFAULT_POLICY
from ..network.adaptation.registry import NAMES as POLICY_NAMES
from ..network.estimators import DEFAULT_ESTIMATOR, ESTIMATORS
from ..network.shapers import LinkConfig, start_relay
from ..network.traces import LinkTrace, constant_trace, read_trace
from ..reporting.accuracy import FrameKey, read_detections
from ..reporting.csv_log import read_records
from ..reporting.run_folder import (
    DETECTIONS_FILE,
    FRAMES_FILE,
    RUN_FILE,
    SUMMARY_FILE,
    RunInfo,
    describe_host,
    write_run_info,
)
from ..reporting.summary import RunTally, write_summary
from ..reporting.table import outcome_table
from ..reporting.video import write_video
from ..vision.detections import Detections
from ..vision.preprocessing import Image
from .answers import Answer
from .client import DEFAULT_ADDRESS
from .emulation import CameraResult, EmulatedCamera, OpenedSource, open_sources, run_cameras
from .errors import Refused
from .interrupts import Interrupts
from .options import DEFAULT_CONNECT_TIMEOUT_S, MAX_CONNECT_TIMEOUT_S
from .sources import FrameSource, is_live_source, open_source

MAX_CLIENTS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add = parser.add_argument
    add("--server", default=DEFAULT_ADDRESS, metavar="HOST:PORT", help="(%(default)s)")
    add(
        "--wait",
        type=float,
        default=DEFAULT_CONNECT_TIMEOUT_S,
        metavar="SECONDS",
        help="how long to wait for a server that takes streams (%(default)g)",
    )
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
    allow_many_open_files()
    with Interrupts() as interrupts:
        return _run(arguments, interrupts)


def _run(arguments: argparse.Namespace, interrupts: Interrupts) -> int:
    out_dir: Path = arguments.out
    try:
        require_positive("wait", arguments.wait, MAX_CONNECT_TIMEOUT_S)
        cameras = _cameras(arguments)
        links = _links(arguments, cameras)
        if arguments.seconds is not None:
            require_positive("seconds", arguments.seconds)
    except ValueError as error:
        raise UsageError(_as_option(error)) from None
    if arguments.video and is_live_source(arguments.source):
        raise UsageError("--video: needs a source that can be read again, not a camera")
    sources = open_sources(cameras)
    tally = _Tally()
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
            results = asyncio.run(_stream(arguments, cameras, sources, zero_ms, tally, interrupts))
    except OSError as error:
        raise RunError(f"--out {out_dir}: {error}") from None
    with interrupts.held():
        problems = _report(arguments, results, tally)
    if arguments.video:
        problems += _write_videos(out_dir, results)
    for problem in problems:
        sys.stderr.write(f"moonjelly: {mask_addresses(problem)}\n")
    return 1 if problems else 0


class _Tally:
    """What the report needs of the answers, apart from the logs, which may be on a full disk.

    Attributes:
        frames: counts.
        losses: what the logs could not take, in words.
    """

    def __init__(self) -> None:
        self.frames = RunTally()
        self.losses: list[str] = []
        self._first_ms = math.inf
        self._last_ms = -math.inf

    def add(self, answer: Answer) -> None:
        """Takes an answer."""
        self.frames.add(answer.record)
        self._first_ms = min(self._first_ms, answer.record.captured_ms)
        self._last_ms = max(self._last_ms, answer.record.captured_ms)

    @property
    def span_ms(self) -> float:
        """From the first capture to the last one."""
        return max(0.0, self._last_ms - self._first_ms)


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
            connect_timeout_s=arguments.wait,
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
    tally: _Tally,
    interrupts: Interrupts,
) -> list[CameraResult]:
    """Runs the devices; the first interrupt ends them in good order, the second at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with (
        interrupts.stopping(lambda: loop.call_soon_threadsafe(stop.set)),
        _progress(cameras, arguments.seconds) as bar,
    ):

        def take(answer: Answer) -> None:
            tally.add(answer)
            bar(answer)

        return await run_cameras(
            cameras,
            arguments.seconds,
            arguments.out,
            sources=sources,
            zero_ms=zero_ms,
            seed=arguments.seed,
            stop=stop,
            on_answer=take,
            on_loss=tally.losses.append,
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
        self._task = progress.add_task(title, total=total, note="waiting for the server")

    def __call__(self, answer: Answer) -> None:
        self._num_answers += 1
        self._num_in_time += answer.is_in_time
        share = 100 * self._num_in_time / self._num_answers
        self._progress.update(self._task, advance=1, note=f"{share:.1f} % in time")


def _report(
    arguments: argparse.Namespace, results: Sequence[CameraResult], tally: _Tally
) -> list[str]:
    """Writes what came of the run, shows it, and returns what went wrong."""
    out_dir: Path = arguments.out
    info = RunInfo(
        kind="client",
        seconds=arguments.seconds or tally.span_ms / 1000,
        streams=tuple(result.stream_info(_link_words(arguments)) for result in results),
        settings={
            name: mask_address(value) if name == "source" else str(value)
            for name, value in sorted(vars(arguments).items())
            if name not in ("command", "run")
        },
        host=describe_host(),
    )
    summary = tally.frames.summary(info)
    problems = list(tally.losses)
    for name, write in (
        (RUN_FILE, partial(write_run_info, out_dir, info)),
        (SUMMARY_FILE, partial(write_summary, out_dir, summary)),
    ):
        try:
            write()
        except OSError as error:
            problems.append(f"{out_dir / name}: cannot be written: {error.strerror}")
    if summary.total.captured:
        Console().print(outcome_table(summary))
        sys.stdout.write(f"logs: {out_dir}\n")
    problems += summary.problems()
    for result in results:
        problems.extend(_problem_of(result))
        if result.num_taken:
            stream_id = result.camera.stream_id
            sys.stderr.write(
                f"moonjelly: {stream_id}: another client registered this id {result.num_taken} times\n"
            )
    return problems


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


def _write_videos(out_dir: Path, results: Sequence[CameraResult]) -> list[str]:
    """Writes the annotated videos, reading the sources once more; returns what went wrong."""
    try:
        frames = read_records(out_dir / FRAMES_FILE, FrameRecord)
        detections = read_detections(out_dir / DETECTIONS_FILE)
    except MoonjellyError as error:
        return [f"--video: {error}"]
    problems = []
    for result in results:
        try:
            _write_video(out_dir, result, frames, detections)
        except Exception as error:  # noqa: BLE001 the run itself is over, and its results are written
            name = f"{result.camera.stream_id}.mp4"
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            problems.append(f"{name}: cannot be written: {plain(reason)}")
    return problems


def _write_video(
    out_dir: Path,
    result: CameraResult,
    frames: Sequence[FrameRecord],
    detections: Mapping[FrameKey, Detections],
) -> None:
    stream_id = result.camera.stream_id
    rows = sorted(
        (row for row in frames if row.stream_id == stream_id), key=lambda row: row.sequence
    )
    if not rows:
        return
    with contextlib.closing(open_source(result.camera.source, result.camera.fps)) as source:
        write_video(
            out_dir / f"{stream_id}.mp4",
            result.stream_info(),
            rows,
            {
                sequence: found
                for (name, sequence), found in detections.items()
                if name == stream_id
            },
            partial(_picture, source),
            result.class_names,
        )


def _picture(source: FrameSource, sequence: int) -> Image:
    image = source.read(sequence)
    if image is None:
        raise RunError(f"frame {sequence} cannot be read again for the video")
    return image
