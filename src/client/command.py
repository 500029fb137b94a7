"""`moonjelly client`: one or many emulated devices, with logs, a summary and a table."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

from ..adapting.estimators import DEFAULT_ESTIMATOR, ESTIMATORS
from ..adapting.policies.registry import DEFAULT_POLICY
from ..adapting.policies.registry import NAMES as POLICY_NAMES
from ..core.addresses import mask_addresses
from ..core.checks import require_id, require_positive
from ..core.clock import MonotonicClock
from ..core.errors import RunError, UsageError
from ..links.shapers import LinkConfig, start_links
from ..links.traces import LinkTrace, constant_trace, read_trace
from .access import TOKEN_VARIABLE, Access, access_of
from .answers import Answer
from .client import DEFAULT_ADDRESS
from .command_report import Tally, write_report, write_videos
from .emulation import CameraResult, EmulatedCamera, OpenedSource, open_sources, run_cameras
from .options import DEFAULT_CONNECT_TIMEOUT_S, MAX_CONNECT_TIMEOUT_S
from .sources import is_live_source
from .terminal import Interrupts, complain, show_progress
from .video_truth import VideoTruth

MAX_CLIENTS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add = parser.add_argument
    add("--server", default=DEFAULT_ADDRESS, metavar="HOST:PORT", help="(%(default)s)")
    add(
        "--ca",
        default="",
        metavar="FILE",
        help="certificates (PEM) that may vouch for the server's, or public; without, there is no TLS. A token of the "
        f"server's is taken from the variable {TOKEN_VARIABLE}",
    )
    add(
        "--certificate",
        default="",
        metavar="FILE",
        help="of this client (PEM), for servers that want one",
    )
    add("--key", default="", metavar="FILE", help="its key (PEM)")
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
    add(
        "--source-port",
        type=int,
        default=0,
        metavar="N",
        help="TCP port that the first device's connection comes from, N+1 of the second and so on: what "
        "network_shaping/shape_source_ports.py tells devices apart by",
    )
    add("--wire-ms", type=float, default=0.0, help="added one-way delay of the link (%(default)s)")
    add("--zoo", default="", help="variants wanted; the server's, if not given")
    add(
        "--min-score",
        type=float,
        default=0.0,
        metavar="X",
        help="leave less sure boxes and labels out, 0 to 1; as the zoo has it, if not given",
    )
    add(
        "--classes",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="NAME,...",
        help="the classes wanted; all of the zoo's, if not given",
    )
    add("--max-boxes", type=int, metavar="N", help="the best N boxes or labels of a frame alone")
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
    add(
        "--truth",
        type=Path,
        metavar="FILE",
        help="what there is to find in a video, as COCO has it, or as `moonjelly zoo golden` writes it: "
        "answers are scored",
    )


def run(arguments: argparse.Namespace) -> int:
    """Streams, logs and sums up; 1 if a device was refused or failed, or frames do not add up."""
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
    truth = None if arguments.truth is None else VideoTruth(arguments.truth, arguments.source)
    sources = open_sources(cameras)
    if arguments.video and any(getattr(source, "is_live", False) for source in sources):
        raise UsageError("--video: needs a source that can be read again, not a camera")
    tally = Tally()
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        zero_ms = MonotonicClock().now_ms()
        with contextlib.ExitStack() as stack:
            if links:
                relay = stack.enter_context(start_links(links, out_dir, zero_ms))
                cameras = [
                    dataclasses.replace(
                        camera, server=relay.address(camera.stream_id), access=_through(camera)
                    )
                    for camera in cameras
                ]
            results = asyncio.run(_stream(arguments, cameras, sources, zero_ms, tally, interrupts))
    except OSError as error:
        raise RunError(f"--out {out_dir}: {error.strerror or error}") from None
    with interrupts.held():
        problems = write_report(arguments, results, tally, truth)
    if arguments.video:
        problems += write_videos(out_dir, results)
    for problem in problems:
        complain(mask_addresses(problem))
    return 1 if problems else 0


def _cameras(arguments: argparse.Namespace) -> list[EmulatedCamera]:
    if not 1 <= arguments.clients <= MAX_CLIENTS:
        raise ValueError(f"clients={arguments.clients}: must be 1 to {MAX_CLIENTS}")
    if arguments.seed < 0:
        raise ValueError(f"seed={arguments.seed}: must be at least 0")
    require_id("name", arguments.name)
    access = access_of(None, arguments.ca, arguments.certificate, arguments.key)
    return [
        EmulatedCamera(
            stream_id=f"{arguments.name}-{number}",
            source=_source_of(arguments.source, number),
            fps=arguments.fps,
            slo_ms=arguments.slo_ms,
            server=arguments.server,
            access=access,
            zoo=arguments.zoo,
            policy=arguments.policy,
            estimator=arguments.estimator,
            connect_timeout_s=arguments.wait,
            min_score=arguments.min_score,
            classes=arguments.classes,
            max_boxes=arguments.max_boxes,
        )
        for number in range(arguments.clients)
    ]


def _through(camera: EmulatedCamera) -> Access:
    """Access to a camera's server by a link, which has another address than the certificate bears."""
    host = camera.server.rpartition(":")[0].strip("[]")
    return dataclasses.replace(camera.access, server_name=host)


def _source_of(source: str, number: int) -> str:
    """The source of a device: scenes differ from device to device, all else is shared."""
    kind, _, seed = source.partition(":")
    if kind == "scene" and seed.isascii() and seed.isdigit():
        return f"scene:{int(seed) + number}"
    return source


def _links(arguments: argparse.Namespace, cameras: Sequence[EmulatedCamera]) -> list[LinkConfig]:
    if arguments.link is None and not arguments.wire_ms and not arguments.source_port:
        return []
    last_port = 65536 - len(cameras)
    if arguments.source_port and not 1 <= arguments.source_port <= last_port:
        raise ValueError(
            f"source_port={arguments.source_port}: must be 1 to {last_port} with --clients {len(cameras)}"
        )
    generator = random.Random(arguments.seed)  # noqa: S311 only spreads the devices over the trace
    trace = None if arguments.link is None else _trace(arguments.link)
    return [
        LinkConfig(
            name=camera.stream_id,
            server=camera.server,
            uplink=trace
            and dataclasses.replace(trace, offset=generator.randrange(len(trace.values_mbps))),
            wire_ms=arguments.wire_ms,
            source_port=arguments.source_port and arguments.source_port + number,
        )
        for number, camera in enumerate(cameras)
    ]


def _trace(link: str) -> LinkTrace:
    try:
        mbps = float(link)
    except ValueError:
        return read_trace(Path(link))
    return constant_trace(require_positive("link", mbps))


def _as_option(error: ValueError) -> str:
    """Names the option in place of the field."""
    field, equals, rest = str(error).partition("=")
    return f"--{field.replace('_', '-')}{equals}{rest}"


async def _stream(
    arguments: argparse.Namespace,
    cameras: Sequence[EmulatedCamera],
    sources: Sequence[OpenedSource],
    zero_ms: float,
    tally: Tally,
    interrupts: Interrupts,
) -> list[CameraResult]:
    """Runs the devices; the first interrupt ends them in good order, the second at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with (
        interrupts.stopping(lambda: loop.call_soon_threadsafe(stop.set)),
        show_progress(cameras, arguments.seconds) as bar,
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
