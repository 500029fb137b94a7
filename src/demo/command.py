"""`moonjelly demo`: drawn traffic cameras over changing links, served, scored and reported."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ..client.answers import Answer
from ..core.budget_rules import budget_rule
from ..core.checks import require_positive
from ..core.errors import RunError, UsageError
from ..core.zoo import Task
from ..devices.config import DeviceConfig
from ..devices.discovery import device_text
from ..files.process import leave_at_sigterm
from ..files.progress import progress_bar
from ..live_run.making import SCENE
from ..live_run.scenes import RememberedScene
from ..live_run.streaming import SERVER_LOG, Streamed, stream_cameras
from ..reporting.run_folder import (
    ANSWERS_FILE,
    FRAMES_FILE,
    REPORT_FILE,
    RUN_FILE,
    SERVER_DIR,
    SERVER_FRAMES_FILES,
    SUMMARY_FILE,
    RunInfo,
    describe_host,
    link_file,
    write_run_info,
)
from ..reporting.table import outcome_table
from ..server.command import with_devices
from ..server.config import ServerConfig
from ..server.config_flags import FLAGS, add_config_flags, config_from_flags, to_arguments
from ..server.preparing import measure_missing
from ..zoos import number_gpus_by_place, open_zoo
from .cameras import DemoCamera, demo_cameras
from .measuring import measure_costs
from .scoring import score_demo
from .sizing import USUAL_CAMERAS, sized_cameras

DEFAULT_OUT = Path("runs/demo")
MAX_CAMERAS = 64
MAX_LOAD_RATIO = 10.0
OUTPUTS = (
    RUN_FILE,
    FRAMES_FILE,
    ANSWERS_FILE,
    SUMMARY_FILE,
    REPORT_FILE,
    link_file("*"),
    "still-*.jpg",
    f"{SERVER_DIR}/*.csv",
)
MAX_SECONDS = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `moonjelly demo`, the server's among them."""
    add = parser.add_argument
    few = f"default {USUAL_CAMERAS}, or fewer if this machine carries no more"
    add("--cameras", type=int, metavar="N", help=f"how many ({few})")
    fit = "default: as many frames as this machine carries now, which is measured"
    add("--load-ratio", type=float, metavar="X", help=f"factor on usual frame rates ({fit})")
    add("--seconds", type=float, default=40.0, metavar="S", help="of video (default %(default)g)")
    add("--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="report (default %(default)s)")
    add_config_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the demo; 1 if the frames do not add up or a camera failed."""
    start_s = time.monotonic()
    leave_at_sigterm()
    number_gpus_by_place()
    console = Console(stderr=True, soft_wrap=True)
    if arguments.cameras is not None and not 1 <= arguments.cameras <= MAX_CAMERAS:
        raise UsageError(f"--cameras={arguments.cameras}: must be 1 to {MAX_CAMERAS}")
    try:
        require_positive("--seconds", arguments.seconds, MAX_SECONDS)
        if arguments.load_ratio is not None:
            require_positive("--load-ratio", arguments.load_ratio, MAX_LOAD_RATIO)
    except ValueError as error:
        raise UsageError(str(error)) from None
    config = config_from_flags(arguments)
    if config.no_logs:
        raise UsageError("no_logs: a demo's report is made of the server's logs")
    config = with_devices(config)
    if open_zoo(config.zoo).zoo.task is not Task.DETECTION:
        raise UsageError(
            f"--zoo {config.zoo}: names whole pictures; the demo's streets are for zoos that detect"
        )
    devices = config.devices
    out_dir: Path = arguments.out
    server_dir = Path(config.out_dir) if config.out_dir else out_dir / SERVER_DIR
    try:
        server_dir.mkdir(parents=True, exist_ok=True)
        out_dir.mkdir(parents=True, exist_ok=True)
        _clear(out_dir, server_dir)
        measure_missing(config)
        cameras, load = _load(arguments, config, devices, console)
        streamed = _stream(arguments, config, cameras, devices, server_dir, console)
        _write_run_info(arguments, config, cameras, load, devices, streamed)
        console.print("scoring, drawing the report")
        class_names = next((r.class_names for r in streamed.results if r.class_names), ())
        summary, problems = score_demo(
            out_dir,
            streamed.scenes,
            class_names or open_zoo(config.zoo).zoo.class_names,
            server_dir,
        )
    except OSError as error:
        raise RunError(f"--out {out_dir}: {error}") from None
    if streamed.server_status:
        problems.append(f"the server ended with status {streamed.server_status}")
    for result in streamed.results:
        if result.problem is not None:
            problems.append(f"{result.camera.stream_id}: {result.problem}")
    Console().print(outcome_table(summary))
    sys.stdout.write(f"\nreport: {out_dir / REPORT_FILE}\n")
    console.print(f"took {time.monotonic() - start_s:.0f} s")
    for problem in problems:
        sys.stderr.write(f"moonjelly: {problem}\n")
    return 1 if problems else 0


def _load(
    arguments: argparse.Namespace,
    config: ServerConfig,
    devices: Sequence[DeviceConfig],
    console: Console,
) -> tuple[tuple[DemoCamera, ...], str]:
    """Chooses the cameras, and says why these."""
    if arguments.load_ratio is not None:
        num_cameras = arguments.cameras or USUAL_CAMERAS
        cameras = demo_cameras(num_cameras, config.seed, arguments.load_ratio)
        why = f"a load of {arguments.load_ratio:g} was asked for"
    else:
        with console.status("measuring what a frame costs here"):
            costs = measure_costs(config, devices)
        try:
            rule = budget_rule(config.budget_rule, costs.variants)
        except ValueError as error:
            raise UsageError(str(error)) from None
        cameras = sized_cameras(costs, rule, arguments.cameras, config.seed)
        why = f"this machine {costs}"
    total_fps = sum(camera.fps for camera in cameras)
    senders = "1 camera sends" if len(cameras) == 1 else f"{len(cameras)} cameras send"
    load = f"{why}: {senders} {total_fps:g} frame/s in all"
    console.print(load, highlight=False)
    return cameras, load


def _clear(out_dir: Path, server_dir: Path) -> None:
    """Removes what an earlier demo left, which would be taken for this one's.

    Raises:
        UsageError: if the server's logs are to go where another server's are.
    """
    if server_dir != out_dir / SERVER_DIR and any(server_dir.glob(SERVER_FRAMES_FILES)):
        raise UsageError(f"--out-dir {server_dir}: holds the logs of another server")
    for pattern in OUTPUTS:
        for path in out_dir.glob(pattern):
            path.unlink()


def _stream(
    arguments: argparse.Namespace,
    config: ServerConfig,
    cameras: Sequence[DemoCamera],
    devices: Sequence[DeviceConfig],
    server_dir: Path,
    console: Console,
) -> Streamed[RememberedScene]:
    """Serves the cameras behind a progress bar."""
    given = dict(getattr(arguments, FLAGS, None) or {})
    port = int(given.pop("port", 0))  # any free one, unless a port was asked for
    given["out_dir"] = str(server_dir)
    server_arguments = [] if arguments.config is None else ["--config", str(arguments.config)]
    server_arguments += to_arguments(given)
    total = sum(max(1, round(arguments.seconds * camera.fps)) for camera in cameras)
    amount = "{task.completed:.0f}/{task.total:.0f} frames, {task.fields[share]:.1f} % in time"
    progress = progress_bar(amount, console=console)
    with progress:
        task = progress.add_task("starting", total=total, share=100.0)
        num_in_time = num_answers = 0

        def count(answer: Answer) -> None:
            nonlocal num_in_time, num_answers
            num_answers += 1
            num_in_time += answer.is_in_time
            progress.update(task, advance=1, share=100 * num_in_time / num_answers)

        return stream_cameras(
            cameras,
            lambda camera: RememberedScene(int(camera.source.removeprefix(SCENE)), camera.fps),
            arguments.seconds,
            config.seed,
            arguments.out,
            server_arguments,
            port,
            devices,
            count,
            lambda text: progress.update(task, description=text),
        )


def _write_run_info(
    arguments: argparse.Namespace,
    config: ServerConfig,
    cameras: Sequence[DemoCamera],
    load: str,
    devices: Sequence[DeviceConfig],
    streamed: Streamed[RememberedScene],
) -> None:
    links = {camera.stream_id: camera.link_text for camera in cameras}
    info = RunInfo(
        kind="demo",
        seconds=arguments.seconds,
        streams=tuple(
            result.stream_info(links[result.camera.stream_id]) for result in streamed.results
        ),
        settings={
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "seed": str(config.seed),
            "load": load,
            "zoo": config.zoo,
            "devices": ", ".join(device_text(device) for device in devices),
            "planner": f"{config.planner}, every {config.plan_period_ms:g} ms",
            "batcher": config.batcher,
            "server's messages": SERVER_LOG,
        },
        host=describe_host(),
    )
    write_run_info(arguments.out, info)
