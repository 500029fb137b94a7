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
from .outcome import camera_outcomes, write_outcomes

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
    given = dict(run.server)
    config = ServerConfig(**_parsed(given))  # type: ignore[arg-type]
    devices = config.devices or find_devices()
    server_dir = folder / SERVER_DIR
    given["seed"] = run.seed
    cameras = run.cameras()
    streamed = stream_cameras(
        cameras,
        functools.partial(_scene, run.seconds),
        run.seconds,
        run.seed + 1000 * run.iteration,  # cameras start at other moments
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
    class_names = next((r.class_names for r in streamed.results if r.class_names), ())
    summary, problems = score_run(
        folder,
        logs,
        read_detections(folder / DETECTIONS_FILE),
        streamed.scenes if detects else {},
        class_names or TRAFFIC_CLASSES,
        server_dir,
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
    write_outcomes(folder, camera_outcomes(summary, frames, refused, accuracy_of))
    return problems


def _parsed(options: Mapping[str, object]) -> dict[str, object]:
    """The options with their devices as `ServerConfig` takes them."""
    devices = options.get("devices")
    if isinstance(devices, tuple):
        return {**options, "devices": parse_devices(list(devices))}
    return dict(options)


def _scene(seconds: float, camera: LiveCamera) -> LoopedScene:
    num_frames = max(1, min(LOOP_FRAMES, round(seconds * camera.fps)))
    return _loop(camera.scene_seed, camera.fps, num_frames)


@functools.lru_cache(maxsize=1)  # the cameras of a run share it, and mostly the next run too
def _loop(seed: int, fps: float, num_frames: int) -> LoopedScene:
    return LoopedScene(seed, fps, num_frames)
