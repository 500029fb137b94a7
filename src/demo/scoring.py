"""What came of a demo: accuracy against the truth, figures, video, page, and whether all adds up."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from ..client.sources import SceneSource
from ..core.answers import Answer
from ..core.errors import RunError
from ..live_run.scenes import RememberedScene
from ..live_run.scoring import score_run
from ..reporting.accuracy import FrameKey, read_answers
from ..reporting.annotation import annotate
from ..reporting.html import Picture, write_report
from ..reporting.run_folder import ANSWERS_FILE
from ..reporting.run_logs import RunLogs, read_run_logs
from ..reporting.summary import Summary
from ..reporting.video import WIDTH_PX, write_video
from ..reporting.viewing import viewed
from ..vision.accuracy import in_classes

STILL_AT = 0.6  # of the run
VIDEO_LIMIT_S = 120.0


def score_demo(
    folder: Path,
    scenes: Mapping[str, RememberedScene],
    class_names: tuple[str, ...],
    server_dir: Path,
) -> tuple[Summary, list[str]]:
    """Scores the run in a folder and writes its summary, figures, video and page.

    The video of the first stream is made by a process of its own meanwhile.

    Args:
        folder: of the run; its `run.json` is written.
        scenes: stream id to scene.
        class_names: by class id.
        server_dir: the server's logs.

    Returns:
        The summary, and what does not add up: between the frames and their verdicts, or between the
        client's and the server's account.

    Raises:
        RunError: if the video fails.
        UsageError: if a log is broken.
    """
    from ..reporting.figures import write_figures  # noqa: PLC0415  # matplotlib takes a second

    run = read_run_logs(folder)
    answers = read_answers(folder / ANSWERS_FILE)
    truth = {
        (name, row.sequence): in_classes(scenes[name].truth_at(row.sequence), class_names)
        for name, rows in run.frames.items()
        for row in rows
    }
    filmed = next((one.stream_id for one in run.streams if run.frames[one.stream_id]), None)
    video = None if filmed is None else folder / f"{filmed}.mp4"
    process = None
    if filmed is not None and video is not None:
        seed = scenes[filmed].scene.seed
        process = multiprocessing.get_context("spawn").Process(
            target=_film, args=(str(folder), filmed, seed, class_names), daemon=True
        )
        process.start()
    summary, problems = score_run(folder, run, answers, truth, class_names, server_dir)
    figures = write_figures(folder, run)
    stills = _stills(folder, run, answers, scenes, class_names)
    if process is not None:
        process.join(VIDEO_LIMIT_S)
        if process.exitcode != 0:
            process.kill()
            raise RunError(f"the video {video} could not be made; its process says why above")
    write_report(folder, run.info, summary, figures, stills, video)
    return summary, problems


def _stills(
    folder: Path,
    run: RunLogs,
    answers: Mapping[FrameKey, Answer],
    scenes: Mapping[str, RememberedScene],
    class_names: tuple[str, ...],
) -> list[Picture]:
    """Draws one annotated frame of each stream."""
    stills: list[Picture] = []
    for stream in run.streams:
        own = _of(stream.stream_id, answers)
        seen = list(viewed(run.frames[stream.stream_id], own, stream.slo_ms))
        if not seen:
            continue
        frame, shown = seen[int(STILL_AT * len(seen))]
        picture = annotate(
            scenes[stream.stream_id].scene.frame(frame.sequence).image,
            frame,
            shown,
            stream.slo_ms,
            class_names,
            WIDTH_PX,
        )
        path = folder / f"still-{stream.stream_id}.jpg"
        cv2.imwrite(str(path), picture)
        stills.append(Picture(path, stream.stream_id, f"Frame {frame.sequence}, {stream.source}."))
    return stills


def _of(stream_id: str, answers: Mapping[FrameKey, Answer]) -> dict[int, Answer]:
    return {key[1]: found for key, found in answers.items() if key[0] == stream_id}


def _film(folder: str, stream_id: str, seed: int, class_names: Sequence[str]) -> None:
    """Makes the annotated video of one stream; runs in a process of its own."""
    root = Path(folder)
    run = read_run_logs(root)
    stream = run.info.stream(stream_id)
    source = SceneSource(seed, stream.fps)
    write_video(
        root / f"{stream_id}.mp4",
        stream,
        run.frames[stream_id],
        _of(stream_id, read_answers(root / ANSWERS_FILE)),
        lambda sequence: source.scene.frame(sequence).image,
        tuple(class_names),
    )
