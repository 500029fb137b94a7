"""What the client command leaves behind: `run.json`, `summary.json`, a table, videos, and what went wrong."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from ..core.addresses import mask_address
from ..core.answers import Detections, Labels
from ..core.checks import plain
from ..core.errors import MoonjellyError, RunError
from ..core.records import FrameRecord
from ..files.csv_log import read_records
from ..files.json_file import write_json
from ..reporting.accuracy import FrameKey, read_answers
from ..reporting.run_folder import (
    ANSWERS_FILE,
    FRAMES_FILE,
    RUN_FILE,
    SUMMARY_FILE,
    RunInfo,
    describe_host,
    write_run_info,
)
from ..reporting.summary import RunTally, write_summary
from ..reporting.table import MAX_ROWS, outcome_table
from ..reporting.video import write_video
from ..vision.fits import Image
from .answers import Answer
from .emulation import CameraResult
from .errors import Refused
from .sources import FrameSource, NoPicture, open_source
from .terminal import complain, show
from .video_truth import SCORES_FILE, VideoTruth, score_line

_BLANK_PX = 320


class Tally:
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


def write_report(
    arguments: argparse.Namespace,
    results: Sequence[CameraResult],
    tally: Tally,
    truth: VideoTruth | None = None,
) -> list[str]:
    """Writes what came of the run, scores it where the truth is known, shows it, and returns what went wrong."""
    out_dir: Path = arguments.out
    info = RunInfo(
        kind="client",
        seconds=arguments.seconds or tally.span_ms / 1000,
        streams=tuple(result.stream_info(link_words(arguments)) for result in results),
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
    lines: list[str] = []
    if truth is not None and summary.total.captured:
        try:
            frames, answers = _read_logs(out_dir)
            accuracy, scores = truth.score(results, frames, answers)
            summary = tally.frames.summary(info, accuracy)
            write_summary(out_dir, summary)
            write_json(out_dir / SCORES_FILE, {name: asdict(one) for name, one in scores.items()})
            names = list(scores)[: MAX_ROWS if len(results) > 1 else 1]
            lines = [score_line(name, scores[name]) for name in names]
        except (MoonjellyError, OSError) as error:
            problems.append(f"not scored: {error}")
    if summary.total.captured:
        show(outcome_table(summary), "\n".join([*lines, f"logs: {out_dir}"]))
    problems += summary.problems()
    for result in results:
        problems.extend(_problem_of(result))
        if result.num_taken:
            stream_id = result.camera.stream_id
            complain(f"{stream_id}: another client registered this id {result.num_taken} times")
    return problems


def _problem_of(result: CameraResult) -> list[str]:
    """What went wrong with a device, in words for its user."""
    if isinstance(result.problem, Refused):
        refused = result.problem
        lines = [f"{refused.stream_id} was refused ({refused.reason}): {refused.detail}"]
        lines += [
            f"  would fit now: --fps {math.floor(offer.fps * 100) / 100:g} "
            f"--slo-ms {math.ceil(offer.slo_ms)}"
            for offer in refused.counter_offers
        ]
        if not refused.counter_offers:
            lines.append("  nothing would fit now")
        return lines
    return [] if result.problem is None else [str(result.problem)]


def write_videos(out_dir: Path, results: Sequence[CameraResult]) -> list[str]:
    """Writes the annotated videos, reading the sources once more; returns what went wrong."""
    try:
        frames, answers = _read_logs(out_dir)
    except MoonjellyError as error:
        return [f"--video: {error}"]
    problems = []
    for result in results:
        try:
            _write_video(out_dir, result, frames, answers)
        except Exception as error:  # noqa: BLE001 the run itself is over, and its results are written
            name = f"{result.camera.stream_id}.mp4"
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            problems.append(f"{name}: cannot be written: {plain(reason)}")
    return problems


def _read_logs(out_dir: Path) -> tuple[list[FrameRecord], dict[FrameKey, Detections | Labels]]:
    frames = read_records(out_dir / FRAMES_FILE, FrameRecord)
    return list(frames), read_answers(out_dir / ANSWERS_FILE)


def _write_video(
    out_dir: Path,
    result: CameraResult,
    frames: Sequence[FrameRecord],
    answers: Mapping[FrameKey, Detections | Labels],
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
            {sequence: found for (name, sequence), found in answers.items() if name == stream_id},
            _Again(source),
            result.class_names,
        )


class _Again:
    """Gives the pictures of a run once more; a frame that had none shows the one before."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._image: Image = np.zeros((_BLANK_PX, _BLANK_PX, 3), np.uint8)

    def __call__(self, sequence: int) -> Image:
        with contextlib.suppress(NoPicture):
            image = self._source.read(sequence)
            if not isinstance(image, np.ndarray):
                raise RunError(f"frame {sequence} cannot be read again for the video")
            self._image = image
        return self._image


def link_words(arguments: argparse.Namespace) -> str:
    """The shaped link, as `run.json` describes it."""
    words = []
    if arguments.link is not None:
        is_file = Path(arguments.link).exists()
        words.append(Path(arguments.link).name if is_file else f"{arguments.link} Mbit/s")
    if arguments.wire_ms:
        words.append(f"{arguments.wire_ms:g} ms")
    if arguments.source_port:
        words.append(f"source ports from {arguments.source_port}")
    return ", ".join(words)
