"""How well each stream's answers fit the drawn truth, as its viewer got them: in time, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..core.answers import Answer, Detections, Labels
from ..core.errors import UsageError
from ..core.records import FrameRecord
from ..core.verdict import Verdict
from ..files.line_file import whole_lines
from ..vision.accuracy import (
    Accuracy,
    FrameTruth,
    LabelAccuracy,
    evaluate_detections,
    evaluate_labels,
)
from .summary import TOTAL

AnyAccuracy = Accuracy | LabelAccuracy

FrameKey = tuple[str, int]
"""Stream id and sequence number."""


def read_answers(path: Path) -> dict[FrameKey, Answer]:
    """Reads `answers.jsonl`: one answered frame a line, with boxes as fractions of the frame, or without, for labels.

    Raises:
        UsageError: naming file and line, if it cannot be read or is broken.
    """
    found: dict[FrameKey, Answer] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(whole_lines(file, path), 1):
                try:
                    row = json.loads(line)
                    key = str(row["stream_id"]), int(row["sequence"])
                    scores = np.array(row["scores"], np.float32)
                    class_ids = np.array(row["class_ids"], np.int32)
                    if "boxes" in row:
                        boxes = np.array(row["boxes"], np.float32).reshape(-1, 4)
                        found[key] = Detections(boxes, scores, class_ids)
                    else:
                        found[key] = Labels(class_ids, scores)
                except (ValueError, KeyError, TypeError) as error:
                    raise UsageError(f"{path}:{number}: is no answer: {error}") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    return found


def score_streams(
    frames: Iterable[FrameRecord],
    truth: Mapping[FrameKey, FrameTruth],
    answers: Mapping[FrameKey, Answer],
    class_names: tuple[str, ...],
) -> dict[str, AnyAccuracy]:
    """Scores each stream, and under `TOTAL` all of them together.

    Where boxes were asked for, every captured frame counts; one that was late or dropped counts as an empty answer. Of
    labels, the frames count that were answered in time.

    A stream whose truth asks for no object at all is left out.
    """
    scored: dict[str, tuple[list[FrameTruth], list[Answer | None]]] = {}
    for frame in frames:
        key = (frame.stream_id, frame.sequence)
        answer = answers.get(key) if frame.verdict == Verdict.IN_TIME else None
        for name in (frame.stream_id, TOTAL):
            truths, own = scored.setdefault(name, ([], []))
            truths.append(truth[key])
            own.append(answer)
    return {
        name: _evaluate(truths, own, class_names)
        for name, (truths, own) in scored.items()
        if any((~one.is_ignored).any() for one in truths)
    }


def _evaluate(
    truths: list[FrameTruth], answers: list[Answer | None], class_names: tuple[str, ...]
) -> AnyAccuracy:
    labels = [one if isinstance(one, Labels) else None for one in answers]
    found = evaluate_labels(truths, labels)
    if found is not None:
        return found
    boxes = [one if isinstance(one, Detections) else None for one in answers]
    return evaluate_detections(truths, boxes, class_names)
