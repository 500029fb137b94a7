"""What the viewer of a stream sees: each frame with the newest answer there is for it by then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..core.answers import Answer
from ..core.records import FrameRecord
from ..core.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """The answer that a viewer has for a frame.

    Attributes:
        answer: that of this frame, or of an earlier one.
        age_ms: how much earlier that one was captured; 0 for its own.
    """

    answer: Answer
    age_ms: float


def viewed(
    frames: Iterable[FrameRecord], answers: Mapping[int, Answer], slo_ms: float
) -> Iterator[tuple[FrameRecord, Shown | None]]:
    """Pairs each frame of a stream with the answer that its viewer has.

    The viewer plays one SLO behind the camera, so that an answer in time lands on the very frame it is
    for. Where there is none, the answer of the newest frame for which one has come by then stays on: a
    late answer is seen on the frames after its own.

    Args:
        frames: of one stream, oldest first.
        answers: by sequence number.
        slo_ms: of the stream.
    """
    on: FrameRecord | None = None
    late: list[FrameRecord] = []
    for frame in frames:
        if frame.verdict == Verdict.LATE and frame.sequence in answers:
            late.append(frame)
        shown_ms = frame.captured_ms + slo_ms
        for one in [one for one in late if _comes_by(one, shown_ms)]:
            late.remove(one)
            if on is None or one.sequence > on.sequence:
                on = one
        if frame.verdict == Verdict.IN_TIME and frame.sequence in answers:
            on = frame
        if on is None:
            yield frame, None
        else:
            yield frame, Shown(answers[on.sequence], frame.captured_ms - on.captured_ms)


def _comes_by(frame: FrameRecord, at_ms: float) -> bool:
    return frame.latency_ms is not None and frame.captured_ms + frame.latency_ms <= at_ms
