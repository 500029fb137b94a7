"""What came of a live run: accuracy against the truth, and whether all adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..client.reconcile import compare
from ..core.answers import Answer
from ..core.records import FrameRecord, ServerFrameRecord
from ..files.csv_log import read_records
from ..reporting.accuracy import AnyAccuracy, FrameKey, score_streams
from ..reporting.device_outcome import read_devices
from ..reporting.energy import read_energy
from ..reporting.run_folder import SERVER_FRAMES_FILES
from ..reporting.run_logs import RunLogs
from ..reporting.summary import Summary, summarise, write_summary
from ..vision.accuracy import FrameTruth


def score_run(
    folder: Path,
    run: RunLogs,
    answers: Mapping[FrameKey, Answer],
    truth: Mapping[FrameKey, FrameTruth],
    class_names: tuple[str, ...],
    server_dir: Path,
) -> tuple[Summary, list[str]]:
    """Scores a run and writes its summary.

    Returns:
        The summary, and what does not add up: between the frames and their verdicts, or between the
        client's and the server's account.

    Raises:
        UsageError: if a log is broken.
    """
    frames = [row for rows in run.frames.values() for row in rows]
    accuracy = score_truth(frames, answers, truth, class_names)
    devices, energy = read_devices(server_dir), read_energy(server_dir)
    summary = summarise(run.info, frames, accuracy, devices, energy)
    write_summary(folder, summary)
    server_frames = [
        row
        for path in sorted(server_dir.glob(SERVER_FRAMES_FILES))
        for row in read_records(path, ServerFrameRecord)
    ]
    return summary, [*summary.problems(), *compare(frames, server_frames)]


def score_truth(
    frames: Sequence[FrameRecord],
    answers: Mapping[FrameKey, Answer],
    truth: Mapping[FrameKey, FrameTruth],
    class_names: tuple[str, ...],
) -> dict[str, AnyAccuracy]:
    """Scores each stream, and under `TOTAL` all of them together, over the frames of which it is known what there was to see."""
    known = [row for row in frames if (row.stream_id, row.sequence) in truth]
    return score_streams(known, truth, answers, class_names)
