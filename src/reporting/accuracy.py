"""How well each stream's answers fit the drawn truth, as its viewer got them: in time, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..core.errors import UsageError
from ..core.records import FrameRecord
from ..core.verdict import Verdict
from ..files.line_file import whole_lines
from ..vision.accuracy import Accuracy, FrameTruth, evaluate_detections
from ..vision.detections import Detections
from .summary import TOTAL

FrameKey = tuple[str, int]
"""Stream id and sequence number."""


def read_detections(path: Path) -> dict[FrameKey, Detections]:
    """Reads `detections.jsonl`: one answered frame a line, with the boxes as fractions of the frame.

    Raises:
        UsageError: naming file and line, if it cannot be read or is broken.
    """
    found: dict[FrameKey, Detections] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(whole_lines(file, path), 1):
                try:
                    row = json.loads(line)
                    found[str(row["stream_id"]), int(row["sequence"])] = Detections(
                        np.array(row["boxes"], np.float32).reshape(-1, 4),
                        np.array(row["scores"], np.float32),
                        np.array(row["class_ids"], np.int32),
                    )
                except (ValueError, KeyError, TypeError) as error:
                    raise UsageError(f"{path}:{number}: is no answer: {error}") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    return found


def score_streams(
    frames: Iterable[FrameRecord],
    truth: Mapping[FrameKey, FrameTruth],
    detections: Mapping[FrameKey, Detections],
    class_names: tuple[str, ...],
) -> dict[str, Accuracy]:
    """Scores each stream, and under `TOTAL` all of them together.

    Every captured frame counts; one that was late or dropped counts as an empty answer.

    A stream whose truth asks for no object at all is left out.
    """
    scored: dict[str, tuple[list[FrameTruth], list[Detections | None]]] = {}
    for frame in frames:
        key = (frame.stream_id, frame.sequence)
        answer = detections.get(key) if frame.verdict == Verdict.IN_TIME else None
        for name in (frame.stream_id, TOTAL):
            truths, answers = scored.setdefault(name, ([], []))
            truths.append(truth[key])
            answers.append(answer)
    return {
        name: evaluate_detections(truths, answers, class_names)
        for name, (truths, answers) in scored.items()
        if any((~one.is_ignored).any() for one in truths)
    }
