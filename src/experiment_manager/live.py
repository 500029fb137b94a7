"""Makes one run of an experiment on this machine: server, relay, cameras, score."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from ..client.answers import Answer
from ..client.errors import Refused
from ..live_run.cameras import LiveCamera
from ..live_run.scenes import LoopedScene
from ..live_run.scoring import score_run
from ..live_run.streaming import SERVER_DIR, SERVER_LOG, stream_cameras
from ..profiles import load_variants, variants_path
from ..reporting.accuracy import read_detections
from ..reporting.run_folder import DETECTIONS_FILE, RunInfo, write_run_info
from ..reporting.run_logs import read_run_logs
from ..server.config import DeviceKind, ServerConfig
from ..server.config_flags import to_arguments
from ..server.devices import find_devices, parse_devices
from ..vision.classes import TRAFFIC_CLASSES
from .matrix import RunConfig, value_text
from .outcome import run_outcome, write_outcome
from .scoring import score_cameras

LOOP_FRAMES = 45  # 125 MB; several seconds of street, so that cameras differ in what they encode


def run_live(
    run: RunConfig, folder: Path, on_answer: Callable[[Answer], None], machine: Mapping[str, str]
) -> list[str]:
    """Makes a run and scores it.

    Args:
        run: its configuration.
        folder: existing, empty but for the configuration.
        on_answer: called with each answer.
        machine: what `describe_machine` gave.

    Returns:
        What is wrong with the run; empty if it counts. That a camera is refused is a result.

    Raises:
        RunError: if the server or the relay does not start.
        UsageError: if the server does not take its options, or a log is broken.
        OSError: if a log cannot be written.
    """
    config = server_config(run)
    devices = config.devices or find_devices()
    server_dir = folder / SERVER_DIR
    given = {**run.server, "seed": run.seed}
    cameras = run.cameras()
    streamed = stream_cameras(
        cameras,
        functools.partial(looped_scene, run.seconds),
        run.seconds,
        run.start_seed,
        folder,
        to_arguments({**given, "out_dir": str(server_dir)}),
        0,
        devices,
        on_answer,
        lambda _: None,
    )
    info = RunInfo(
        kind="experiment",
        seconds=run.seconds,
        streams=tuple(
            result.stream_info(f"{run.trace} from value {camera.trace.offset}")
            for result, camera in zip(streamed.results, cameras, strict=True)
        ),
        settings={
            **{name: value_text(value) for name, value in run.factors().items()},
            "server's options": " ".join(to_arguments(given)),
            "server's messages": SERVER_LOG,
        },
        host=machine,
    )
    write_run_info(folder, info)
    logs = read_run_logs(folder)
    detects = any(device.kind is not DeviceKind.REPLAYED for device in devices)
    class_names = next((r.class_names for r in streamed.results if r.class_names), TRAFFIC_CLASSES)
    answers = read_detections(folder / DETECTIONS_FILE)
    summary, problems = score_run(
        folder, logs, answers, streamed.scenes if detects else {}, class_names, server_dir
    )
    scores = (
        score_cameras(logs, answers, streamed.scenes, config.zoo, class_names) if detects else {}
    )
    if streamed.server_status:
        problems.append(f"the server ended with status {streamed.server_status}")
    refused = {r.camera.stream_id for r in streamed.results if isinstance(r.problem, Refused)}
    problems += [
        f"{r.camera.stream_id}: {r.problem}"
        for r in streamed.results
        if r.problem is not None and r.camera.stream_id not in refused
    ]
    profiles_dir = Path(config.profiles_dir) if config.profiles_dir else None
    variants = load_variants(variants_path(config.zoo, profiles_dir))
    frames = [frame for rows in logs.frames.values() for frame in rows]
    accuracy_of = {variant.name: variant.accuracy for variant in variants}
    write_outcome(folder, run_outcome(summary, frames, refused, accuracy_of, scores))
    return problems


def server_config(run: RunConfig) -> ServerConfig:
    """The options of the run's server.

    Raises:
        ConfigError: if one breaks its rule.
    """
    options: dict[str, object] = {**run.server, "seed": run.seed}
    if isinstance(devices := options.get("devices"), tuple):
        options["devices"] = parse_devices(list(devices))
    return ServerConfig(**options)  # type: ignore[arg-type]


def looped_scene(seconds: float, camera: LiveCamera) -> LoopedScene:
    """What a camera sees."""
    num_frames = max(1, min(LOOP_FRAMES, round(seconds * camera.fps)))
    return _loop(camera.scene_seed, camera.fps, num_frames)


@functools.lru_cache(maxsize=1)  # the cameras of a run share it, and mostly the next run too
def _loop(seed: int, fps: float, num_frames: int) -> LoopedScene:
    return LoopedScene(seed, fps, num_frames)
