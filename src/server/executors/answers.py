"""What an executor says of a batch: answers, or frames that it gave up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...core.answers import Answer
from ...core.verdict import Reason
from ...protos.internal_pb2 import FrameResult, FrameResults
from ..wire.answers import put_answer, to_message
from ..wire.channel import MAX_PACKET_BYTES
from .endpoint_link import EndpointLink
from .workload import WaitingFrame

FIELD_BYTES = 4  # around each result
PACKET_BYTES = MAX_PACKET_BYTES - 1024  # what the results of a packet share is short

_CODES = {
    Reason.TOO_LATE: "DEADLINE_EXCEEDED",
    Reason.BAD_FRAME: "INVALID_ARGUMENT",
    Reason.MODEL_OUTPUT: "INTERNAL",
}
_DETAILS = {Reason.TOO_LATE: "could not have been answered by its deadline"}


def answered(frame: WaitingFrame, answer: Answer, start_ms: float) -> FrameResult:
    """The answer for a frame whose batch started at `start_ms`."""
    result = FrameResult(
        ticket=frame.descriptor.ticket,
        queue_ms=start_ms - frame.descriptor.handed_ms,
        decode_ms=frame.decode_ms,
    )
    put_answer(to_message(answer), result)
    return result


def give_up(
    frames: Sequence[WaitingFrame],
    reasons: Sequence[Reason],
    detail: str,
    common: FrameResults,
    now_ms: float,
) -> None:
    """Answers for frames that are given up; of those that are too late it is said in words if nothing else is."""
    results = [
        FrameResult(
            ticket=frame.descriptor.ticket,
            drop_reason=reason,
            drop_code=_CODES.get(reason, "UNAVAILABLE"),
            drop_detail=detail or _DETAILS.get(reason, ""),
            queue_ms=now_ms - frame.descriptor.handed_ms,
            decode_ms=frame.decode_ms,
        )
        for frame, reason in zip(frames, reasons, strict=True)
    ]
    send(frames, results, common)


def send(
    frames: Sequence[WaitingFrame], results: Sequence[FrameResult], common: FrameResults
) -> None:
    """Sends each endpoint the results of its frames; `common` holds what they share."""
    by_link: dict[EndpointLink, list[FrameResult]] = {}
    for frame, result in zip(frames, results, strict=True):
        by_link.setdefault(frame.source, []).append(result)
    for link, own in by_link.items():
        for part in _packets(own):
            packet = FrameResults()
            packet.CopyFrom(common)
            packet.frames.extend(part)
            link.answer(packet)


def _packets(results: Sequence[FrameResult]) -> Iterator[list[FrameResult]]:
    part: list[FrameResult] = []
    size = 0
    for result in results:
        num_bytes = result.ByteSize() + FIELD_BYTES
        if part and size + num_bytes > PACKET_BYTES:
            yield part
            part, size = [], 0
        part.append(result)
        size += num_bytes
    if part:
        yield part
