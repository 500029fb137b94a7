"""Makes one run of an experiment on this machine; completes and scores a run, wherever it was made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..adapting.frame_sizes import DEFAULT_QUALITY
from ..core.answers import Answer
from ..core.records import FrameRecord
from ..core.zoo import Task
from ..devices.config import DeviceKind
from ..devices.discovery import find_devices, parse_devices
from ..live_run.as_scenario import measured_sizes
from ..live_run.cameras import LiveCamera
from ..live_run.playing import CameraReport
from ..live_run.scoring import score_run
from ..live_run.streaming import SERVER_LOG, stream_cameras
from ..live_run.videos import VideoCamera, seen_by
from ..reporting.accuracy import FrameKey, read_answers
from ..reporting.profile_accuracy import ProfileAccuracy
from ..reporting.run_folder import ANSWERS_FILE, SERVER_DIR, RunInfo, write_run_info
from ..reporting.run_logs import RunLogs, read_run_logs
from ..reporting.scores import Scores
from ..reporting.summary import TOTAL, Summary
from ..server.config import ServerConfig
from ..server.config_flags import to_arguments
from ..simulation.recorded_sizes import RecordedSizes
from ..vision.accuracy import FrameTruth
from ..zoos import OpenedZoo, open_zoo
from .matrix import USUAL_ZOO, RunConfig, detections_words
from .outcome import NO_SCORES, RunOutcome, camera_outcomes, write_outcome
from .running_all import OnProgress
from .seeing import f1_of_smallest, find_answers, find_golden, find_truth, score_cameras


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
    cameras = run.cameras()
    sources = {one.stream_id: encoded_camera(run, one, on_progress) for one in cameras}
    streamed = stream_cameras(
        cameras,
        lambda camera: sources[camera.stream_id],
        run.seconds,
        run.start_seed,
        folder,
        to_arguments({**server_options(run), "out_dir": str(folder / SERVER_DIR)}),
        0,
        server_config(run).devices or find_devices(),
        lambda answer: on_progress(1, int(answer.is_in_time)),
        lambda _: None,
        run.shaper,
    )
    reports = [
        CameraReport.of(result, link)
        for result, link in zip(streamed.results, run.link_texts(), strict=True)
    ]
    return finish_run(run, folder, reports, streamed.server_status, machine, on_progress)


def encoded_camera(run: RunConfig, camera: LiveCamera, on_progress: OnProgress) -> VideoCamera:
    """What a camera of the run sees, encoded in advance at all sides of the zoo.

    Raises:
        RunError: if a picture cannot be made or kept.
    """
    seen = seen_by(camera)
    seen.video.encode_ahead(
        seen.numbers(camera.num_frames(run.seconds)),
        sides_px(run),
        DEFAULT_QUALITY.quality,
        zoo_of(run).zoo.fit,
        lambda done, total: on_progress(0, 0, f"encoded {done} of {total} pictures"),
    )
    return seen


def recorded_sizes(run: RunConfig, camera: LiveCamera, on_progress: OnProgress) -> RecordedSizes:
    """How large the frames of a camera of the run are, at all sides of the zoo; errors as above."""
    seen = seen_by(camera)
    key = (
        seen.video.facts.digest, camera.source_start_s, camera.fps, run.seconds,
        tuple(sides_px(run)), zoo_of(run).zoo.fit,
    )  # fmt: skip
    if key not in _SIZES:
        _SIZES[key] = measured_sizes(
            seen,
            camera.num_frames(run.seconds),
            sides_px(run),
            zoo_of(run).zoo.fit,
            lambda done, total: on_progress(0, 0, f"encoded {done} of {total} pictures"),
        )
    return _SIZES[key]


_SIZES: dict[tuple[object, ...], RecordedSizes] = {}


def finish_run(
    run: RunConfig,
    folder: Path,
    reports: Sequence[CameraReport],
    server_status: int,
    machine: Mapping[str, str],
    on_progress: OnProgress = lambda *_: None,
) -> list[str]:
    """Completes and scores a run whose logs lie in a folder, when its cameras and its server have stopped.

    Returns:
        What is wrong with the run; empty if it counts. That a camera is refused is a result.

    Raises:
        UsageError: if a log is broken.
        RunError: if a network cannot be loaded that looks at what cameras saw.
        OSError: if a file cannot be written.
    """
    info = RunInfo(
        kind="experiment",
        seconds=run.seconds,
        streams=tuple(report.info for report in reports),
        settings={
            **run.factor_texts(),
            "server's options": " ".join(to_arguments(server_options(run))),
            "server's messages": SERVER_LOG,
            "detections": detections_words(run.detections_zoo) or "of the devices",
            "truth": truth_words(run),
        },
        host=machine,
    )
    write_run_info(folder, info)
    logs = read_run_logs(folder)
    class_names = next((one.class_names for one in reports if one.class_names), ())
    seen = see(run, logs, on_progress, read_answers(folder / ANSWERS_FILE), class_names)
    summary, problems = score_run(
        folder, logs, seen.answers, seen.truth, seen.class_names, folder / SERVER_DIR
    )
    if server_status:
        problems.append(f"the server ended with status {server_status}")
    problems += [f"{one.info.stream_id}: {one.problem}" for one in reports if one.problem]
    refused = {one.info.stream_id for one in reports if one.is_refused}
    frames = [frame for rows in logs.frames.values() for frame in rows]
    write_outcome(folder, outcome_of(run, summary, frames, refused, seen))
    return problems


def outcome_of(
    run: RunConfig,
    summary: Summary,
    frames: Iterable[FrameRecord],
    refused: Collection[str],
    seen: Seen,
) -> RunOutcome:
    """What came of a run, beside what its zoo's smallest variant is worth. UsageError if a table of the zoo is broken."""
    cameras = camera_outcomes(summary, frames, refused, profile_accuracy(run), seen.scores)
    smallest = min(zoo_of(run).variants, key=lambda one: one.input_side_px)
    total = seen.scores.get(TOTAL, NO_SCORES)
    return RunOutcome(cameras, total, seen.smallest_f1, smallest.accuracy)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cameras of a run saw, and what was answered.

    Attributes:
        answers: of the devices, or found afterwards in the frames that they were sent.
        class_names: by class id of the answers.
        truth: of the frames of which it is known; empty where answers cannot be judged.
        scores: of each camera, and under `TOTAL` of all of them together.
        smallest_f1: `f1_of_smallest` of the first camera.
    """

    answers: Mapping[FrameKey, Answer]
    class_names: tuple[str, ...]
    truth: Mapping[FrameKey, FrameTruth] = field(default_factory=dict)
    scores: Mapping[str, Scores] = field(default_factory=dict)
    smallest_f1: float | None = None


def see(
    run: RunConfig,
    logs: RunLogs,
    on_progress: OnProgress,
    answers: Mapping[FrameKey, Answer] | None = None,
    class_names: tuple[str, ...] = (),
) -> Seen:
    """Judges what was answered, and under which class names; without answers, as of a simulated run, only what is found afterwards.

    Raises:
        RunError: if a network cannot be loaded, or what was found cannot be kept.
    """
    zoo = judge = zoo_of(run)
    class_names = class_names or zoo.zoo.class_names
    has_detected = answers is not None and has_networks(run)
    if zoo.zoo.task is not Task.DETECTION or not (has_detected or run.detections_zoo):
        return Seen(answers or {}, class_names)
    lives = run.cameras()
    cameras = {one.stream_id: seen_by(one) for one in lives}
    if answers is None or run.detections_zoo:
        judge = open_zoo(run.detections_zoo)
        class_names = judge.zoo.class_names
        answers = find_answers(logs, cameras, zoo, judge, on_progress)
    golden = find_golden(logs, cameras, judge, on_progress)
    truth = find_truth(golden, cameras, class_names, is_golden_taken=bool(run.detections_zoo))
    scores = score_cameras(logs, answers, truth, golden, class_names)
    num_frames = lives[0].num_frames(run.seconds)
    smallest_f1 = f1_of_smallest(
        cameras[lives[0].stream_id], num_frames, zoo, judge, class_names, on_progress
    )
    return Seen(answers, class_names, truth, scores, smallest_f1)


def truth_words(run: RunConfig) -> str:
    """What the answers of a run are judged by."""
    golden = f"golden detections of zoo {Path(run.detections_zoo).name}"
    words = {
        (f"of {facts.name}" if facts.path else "drawn")
        if facts.class_names
        else (golden if run.detections_zoo else "none")
        for facts in (seen_by(camera).video.facts for camera in run.cameras())
    }
    return ", ".join(sorted(words))


def profile_accuracy(run: RunConfig) -> ProfileAccuracy:
    """What answers of the run's zoo are worth by its tables; UsageError if one is not there, or broken."""
    return ProfileAccuracy(zoo_of(run).variants, zoo_of(run).qualities)


def sides_px(run: RunConfig) -> list[int]:
    """The input sides of the variants that the run's server serves; errors as above."""
    served = run.server.get("variants", ())
    names = served if isinstance(served, tuple) else ()
    return sorted(
        {one.input_side_px for one in zoo_of(run).variants if not names or one.name in names}
    )


def zoo_of(run: RunConfig) -> OpenedZoo:
    """The zoo that the run's server serves; UsageError if there is none."""
    return open_zoo(str(run.server.get("zoo", USUAL_ZOO)))


def server_options(run: RunConfig) -> dict[str, object]:
    """Options of the run's server that are not at their defaults, as flags take them."""
    return {"zoo": USUAL_ZOO, **run.server, "seed": run.seed}


def server_config(run: RunConfig) -> ServerConfig:
    """The options of the run's server on this machine; ValueError if one breaks its rule."""
    options = server_options(run)
    if isinstance(devices := options.get("devices"), tuple):
        options["devices"] = parse_devices(list(devices))
    return ServerConfig(**options)  # type: ignore[arg-type]


def has_networks(run: RunConfig) -> bool:
    """Whether devices run networks; those that are found, where none are named, do."""
    devices = run.server.get("devices", ())
    names = devices if isinstance(devices, tuple) else ()
    return not names or any(not name.startswith(f"{DeviceKind.REPLAYED}:") for name in names)
