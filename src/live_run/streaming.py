"""Server, a shaped link per camera, and cameras, started and ended in order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ..client.answers import Answer
from ..client.emulation import CameraResult
from ..client.sources import FrameSource
from ..core.clock import MonotonicClock
from ..devices.config import DeviceConfig
from ..links.shapers import open_shaper
from ..server.running_server import RunningServer
from .cameras import LiveCamera
from .playing import play_cameras

SERVER_LOG = "server.log"

Scene = TypeVar("Scene", bound=FrameSource)


@dataclass(frozen=True, slots=True)
class Streamed(Generic[Scene]):
    """What is left of the run when everything has stopped.

    Attributes:
        scenes: stream id to what that camera saw.
        server_status: exit status of the server; 0 is sound.
    """

    results: Sequence[CameraResult]
    scenes: Mapping[str, Scene]
    server_status: int


def stream_cameras(
    cameras: Sequence[LiveCamera],
    open_scene: Callable[[LiveCamera], Scene],
    seconds: float,
    seed: int,
    out_dir: Path,
    server_arguments: Sequence[str],
    port: int,
    devices: Sequence[DeviceConfig],
    on_answer: Callable[[Answer], None],
    say: Callable[[str], None],
    shaper: str = "relay",
) -> Streamed[Scene]:
    """Serves the cameras for a while and stops everything.

    The server starts while sources are opened. Executors have their devices' cores to themselves where
    there are others for the rest.

    Args:
        cameras: of different stream ids.
        open_scene: makes what a camera sees.
        seconds: how long each camera captures.
        seed: of the moments at which cameras start.
        out_dir: existing folder for the logs of cameras and links, and the server's messages.
        server_arguments: options of `moonjelly serve`.
        port: of the server; 0 for any free one.
        devices: whose cores are kept free of clients.
        on_answer: called with each answer.
        say: told what is being done.
        shaper: of the links, `relay` or `kernel`.

    Raises:
        RunError: if the server or the shaper does not start.
        UsageError: if the shaper cannot be used here, or cannot do what a link asks for.
        OSError: if a log cannot be written.
    """
    with contextlib.ExitStack() as stack:
        say("starting the server, opening the sources")
        names = [camera.stream_id for camera in cameras]
        with away_from(devices):
            links = stack.enter_context(open_shaper(shaper, names, out_dir))
        server = RunningServer(
            [*server_arguments, *links.server_options],
            port=port,
            log_path=out_dir / SERVER_LOG,
            command_prefix=links.server_command,
        )
        stack.callback(server.stop)
        with ThreadPoolExecutor(1, "open sources") as pool:
            drawing = pool.submit(lambda: [open_scene(camera) for camera in cameras])
            server.start()  # by the thread that lives longest: the server ends with it
            scenes = dict(zip(names, drawing.result(), strict=True))
        stack.enter_context(away_from(devices))
        zero_ms = MonotonicClock().now_ms()
        links.start([camera.link(server.address) for camera in cameras], zero_ms)
        say(f"streaming {len(cameras)} cameras for {seconds:g} s")
        results = play_cameras(
            cameras,
            list(scenes.values()),
            links.address,
            seconds,
            seed,
            out_dir,
            zero_ms,
            on_answer,
        )
        say("stopping the server")
    return Streamed(results, scenes, server.exit_status or 0)


@contextlib.contextmanager
def away_from(devices: Sequence[DeviceConfig]) -> Iterator[None]:
    """Keeps this thread, and what it starts, off the cores of devices if others are left."""
    allowed = os.sched_getaffinity(0)
    left = allowed - {core for device in devices for core in device.cores}
    os.sched_setaffinity(0, left or allowed)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
