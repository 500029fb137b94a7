"""How good answers are beside the drawn truth: against a golden detector, and as a viewer sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from ..core.answers import Answer, Detections
from ..core.records import FrameRecord
from ..core.verdict import Verdict
from ..vision.accuracy import FrameTruth, evaluate_detections
from ..vision.f1 import F1Counts, is_detected, matched_counts, overlap_counts
from .accuracy import FrameKey
from .summary import TOTAL
from .viewing import viewed


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one stream, or of all together; each is 0 to 1, and None where it cannot be said.

    Attributes:
        golden_f1: by overlap alone against the golden detections, late and dropped frames counting as
            empty answers.
        golden_f1_detected: the same over the frames with a box in time, as published figures have it.
        matched_f1: like `golden_f1`, with boxes matched one to one and class by class.
        viewed_map: mAP@[.5:.95] against the truth of what a viewer sees, where the boxes of the last
            answer stay on until newer ones come.
        viewed_map50: likewise mAP@.5.
    """

    golden_f1: float | None = None
    golden_f1_detected: float | None = None
    matched_f1: float | None = None
    viewed_map: float | None = None
    viewed_map50: float | None = None


def score_answers(
    frames: Mapping[str, Iterable[FrameRecord]],
    slo_ms: Mapping[str, float],
    truth: Mapping[FrameKey, FrameTruth],
    golden: Mapping[FrameKey, Detections],
    answers: Mapping[FrameKey, Answer],
    class_names: tuple[str, ...],
) -> dict[str, Scores]:
    """Scores each stream, and under `TOTAL` all of them together.

    Args:
        frames: rows of `frames.csv` by stream id, oldest first.
        slo_ms: by stream id.
        truth: of every frame of which it is known.
        golden: what the golden detector found, of every frame.
        answers: what was answered.
        class_names: by class id.
    """
    tallies = {name: _Tally() for name in (*frames, TOTAL)}
    for name, rows in frames.items():
        own = {
            key[1]: found
            for key, found in answers.items()
            if key[0] == name and isinstance(found, Detections)
        }
        for frame, shown in viewed(rows, own, slo_ms[name]):
            key = (name, frame.sequence)
            answer = own.get(frame.sequence) if frame.verdict == Verdict.IN_TIME else None
            seen = None if shown is None else cast("Detections", shown.answer)
            for tally in (tallies[name], tallies[TOTAL]):
                tally.add(golden[key], answer, truth.get(key), seen, class_names)
    return {name: tally.scores(class_names) for name, tally in tallies.items()}


class _Tally:
    """Adds up the frames of one stream, or of all."""

    def __init__(self) -> None:
        self._overlap = self._detected = self._matched = F1Counts()
        self._truth: list[FrameTruth] = []
        self._seen: list[Detections | None] = []

    def add(
        self,
        golden: Detections,
        answer: Detections | None,
        truth: FrameTruth | None,
        seen: Detections | None,
        class_names: tuple[str, ...],
    ) -> None:
        counts = overlap_counts(golden, answer, class_names)
        self._overlap += counts
        if is_detected(answer):
            self._detected += counts
        self._matched += matched_counts(golden, answer)
        if truth is not None:
            self._truth.append(truth)
            self._seen.append(seen)

    def scores(self, class_names: tuple[str, ...]) -> Scores:
        has_objects = any((~one.is_ignored).any() for one in self._truth)
        seen = evaluate_detections(self._truth, self._seen, class_names) if has_objects else None
        return Scores(
            golden_f1=self._overlap.f1,
            golden_f1_detected=self._detected.f1,
            matched_f1=self._matched.f1,
            viewed_map=None if seen is None else seen.map,
            viewed_map50=None if seen is None else seen.map50,
        )
