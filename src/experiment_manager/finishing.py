"""What is done when a run's cameras and server have stopped: its files are completed, and it is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.variant import Variant
from ..devices.config import DeviceKind
from ..devices.discovery import parse_devices
from ..live_run.reports import CameraReport
from ..live_run.scenes import looped_scene
from ..live_run.scoring import score_run
from ..live_run.streaming import SERVER_DIR, SERVER_LOG
from ..reporting.accuracy import read_detections
from ..reporting.profile_accuracy import ProfileAccuracy
from ..reporting.run_folder import DETECTIONS_FILE, RunInfo, write_run_info
from ..reporting.run_logs import read_run_logs
from ..server.config import ServerConfig
from ..server.config_flags import to_arguments
from ..vision.classes import TRAFFIC_CLASSES
from ..zoos import load_qualities, load_variants, variants_path
from .matrix import RunConfig, value_text
from .outcome import run_outcome, write_outcome
from .scoring import score_cameras


@dataclass(frozen=True, slots=True)
class Played:
    """What is left of a run beside its logs when everything has stopped.

    Attributes:
        reports: one for each camera, in their order.
        server_status: exit status of the server; 0 is sound.
        machine: the machines that made it, and their releases.
    """

    reports: Sequence[CameraReport]
    server_status: int
    machine: Mapping[str, str]


def finish_run(run: RunConfig, folder: Path, played: Played) -> list[str]:
    """Completes and scores a run whose logs lie in a folder.

    Returns:
        What is wrong with the run; empty if it counts. That a camera is refused is a result.

    Raises:
        UsageError: if a log is broken.
        OSError: if a file cannot be written.
    """
    info = RunInfo(
        kind="experiment",
        seconds=run.seconds,
        streams=tuple(report.info for report in played.reports),
        settings={
            **{name: value_text(value) for name, value in run.factors().items()},
            "server's options": " ".join(to_arguments(server_options(run))),
            "server's messages": SERVER_LOG,
        },
        host=played.machine,
    )
    write_run_info(folder, info)
    logs = read_run_logs(folder)
    answers = read_detections(folder / DETECTIONS_FILE)
    class_names = next((one.class_names for one in played.reports if one.class_names), ())
    class_names = class_names or TRAFFIC_CLASSES
    scenes = {}
    if _detects(run):
        scenes = {one.stream_id: looped_scene(run.seconds, one) for one in run.cameras()}
    summary, problems = score_run(folder, logs, answers, scenes, class_names, folder / SERVER_DIR)
    scores = score_cameras(logs, answers, scenes, _zoo(run), class_names) if scenes else {}
    if played.server_status:
        problems.append(f"the server ended with status {played.server_status}")
    problems += [f"{one.info.stream_id}: {one.problem}" for one in played.reports if one.problem]
    refused = {one.info.stream_id for one in played.reports if one.is_refused}
    frames = [frame for rows in logs.frames.values() for frame in rows]
    write_outcome(folder, run_outcome(summary, frames, refused, profile_accuracy(run), scores))
    return problems


def zoo_variants(run: RunConfig) -> Sequence[Variant]:
    """The variants of the run's zoo.

    Raises:
        UsageError: if the zoo is not there, or broken.
    """
    return load_variants(variants_path(_zoo(run), _profiles_dir(run)))


def profile_accuracy(run: RunConfig) -> ProfileAccuracy:
    """What answers of the run's zoo are worth by its tables; errors as of `zoo_variants`."""
    return ProfileAccuracy(zoo_variants(run), load_qualities(_zoo(run), _profiles_dir(run)))


def _profiles_dir(run: RunConfig) -> Path | None:
    given = str(run.server.get("profiles_dir", ""))
    return Path(given) if given else None


def sides_px(run: RunConfig) -> list[int]:
    """The input sides of the variants that the run's server serves."""
    served = run.server.get("variants", ())
    names = served if isinstance(served, tuple) else ()
    return sorted(
        {one.input_side_px for one in zoo_variants(run) if not names or one.name in names}
    )


def server_options(run: RunConfig) -> dict[str, object]:
    """Options of the run's server that are not at their defaults, as flags take them."""
    return {**run.server, "seed": run.seed}


def server_config(run: RunConfig) -> ServerConfig:
    """The options of the run's server on this machine.

    Raises:
        ValueError: if one breaks its rule.
    """
    options = server_options(run)
    if isinstance(devices := options.get("devices"), tuple):
        options["devices"] = parse_devices(list(devices))
    return ServerConfig(**options)  # type: ignore[arg-type]


def _zoo(run: RunConfig) -> str:
    return str(run.server.get("zoo", ServerConfig().zoo))


def _detects(run: RunConfig) -> bool:
    """Whether the devices run networks; those that are found, where none are named, do."""
    devices = run.server.get("devices", ())
    names = devices if isinstance(devices, tuple) else ()
    return not names or any(not name.startswith(f"{DeviceKind.REPLAYED}:") for name in names)
