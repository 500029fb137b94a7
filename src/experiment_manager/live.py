"""Makes one run of an experiment on this machine: server, links, cameras, score."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from ..adapting.frame_sizes import DEFAULT_QUALITY
from ..client.answers import Answer
from ..devices.discovery import find_devices
from ..live_run.cameras import LiveCamera
from ..live_run.playing import CameraReport
from ..live_run.scenes import LoopedScene, looped_scene
from ..live_run.streaming import SERVER_DIR, stream_cameras
from ..server.config_flags import to_arguments
from .finishing import Played, finish_run, server_config, server_options, sides_px
from .matrix import RunConfig
from .running_all import OnProgress


def run_live(
    run: RunConfig, folder: Path, on_progress: OnProgress, machine: Mapping[str, str]
) -> list[str]:
    """Makes a run and scores it.

    Returns:
        What is wrong with the run; empty if it counts. That a camera is refused is a result.

    Raises:
        RunError: if the server or the links do not start.
        UsageError: if the server does not take its options, or a log is broken.
        OSError: if a log cannot be written.
    """

    def on_answer(answer: Answer) -> None:
        on_progress(1, int(answer.is_in_time))

    cameras = run.cameras()
    streamed = stream_cameras(
        cameras,
        functools.partial(encoded_scene, run),
        run.seconds,
        run.start_seed,
        folder,
        to_arguments({**server_options(run), "out_dir": str(folder / SERVER_DIR)}),
        0,
        server_config(run).devices or find_devices(),
        on_answer,
        lambda _: None,
        run.shaper,
    )
    reports = [
        CameraReport.of(result, run.link_text(camera))
        for result, camera in zip(streamed.results, cameras, strict=True)
    ]
    return finish_run(run, folder, Played(reports, streamed.server_status, machine))


def encoded_scene(run: RunConfig, camera: LiveCamera) -> LoopedScene:
    """What a camera of the run sees, encoded in advance at all sides of the zoo."""
    scene = looped_scene(run.seconds, camera)
    scene.encode_ahead(sides_px(run), DEFAULT_QUALITY.quality)
    return scene
