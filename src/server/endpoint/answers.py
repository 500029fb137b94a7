"""What executors say of frames, for the core, and how frames ended, for their clients."""

from __future__ import annotations

from ...core.answer_options import AS_THE_ZOO, choose
from ...core.codes import CODE_OF_REASON, Code
from ...core.link import KBITS_PER_BYTE
from ...core.verdict import Drop, Place, Reason, reason_named
from ...protos import serving_pb2
from ...protos.internal_pb2 import FrameResult, FrameResults
from ...scheduling.cores.endpoint.drop_notes import DropNote
from ...scheduling.cores.endpoint.held_frame import HeldFrame
from ...scheduling.cores.endpoint.stimuli import BatchDone, FrameDone
from ..wire.answers import AnswerMessage, answer_in, from_message, put_answer, to_message
from .outbox import Outbox

RESULT_BYTES = 100  # beside the answer

DETAIL_OF_REASON = {
    Reason.TOO_LATE: "could not be answered in time any more",
    Reason.EXECUTOR_LOST: "its device failed",
    Reason.BAD_FRAME: "jpeg: cannot be decoded",
    Reason.MODEL_OUTPUT: "the detector failed on it",
}
"""What clients are told of a frame that a device gave up: our words, whatever a library there said."""

_PLACES = {Place.ENDPOINT: serving_pb2.ENDPOINT, Place.EXECUTOR: serving_pb2.EXECUTOR}


def read_results(results: FrameResults) -> BatchDone:
    """What an executor says of frames."""
    return BatchDone(
        [_read_result(one) for one in results.frames],
        results.variant,
        results.batch_size,
        results.inference_ms,
        results.plan_epoch,
        results.frame_mj if results.HasField("frame_mj") else None,
    )


def _read_result(result: FrameResult) -> FrameDone:
    queue_ms, decode_ms = result.queue_ms, result.decode_ms
    found = answer_in(result)
    if found is None:
        return FrameDone(result.ticket, queue_ms, decode_ms, note=_told(result))
    num_bytes = RESULT_BYTES + found.ByteSize()
    return FrameDone(result.ticket, queue_ms, decode_ms, num_bytes * KBITS_PER_BYTE, found=found)


def _told(result: FrameResult) -> DropNote:
    """What an executor says of a frame that it dropped."""
    reason, word = reason_named(result.drop_reason)
    try:
        code = Code(result.drop_code)
    except ValueError:
        code = CODE_OF_REASON.get(reason, Code.INTERNAL)
    detail = DETAIL_OF_REASON.get(reason, word or "given up at its device")
    return DropNote(Drop(Place.EXECUTOR, reason), code, detail, result.decode_ms)


def write_result(frame: HeldFrame, found: AnswerMessage | None, outbox: Outbox) -> None:
    """Writes the one result of a frame: of what was found in it that which its stream wants, or why it was given up."""
    result = outbox.add_result(frame.sequence)
    result.plan_epoch = frame.plan_epoch or 0
    result.advised_side_px, result.served_side_px = frame.advice.side_px, frame.advice.served_px
    timings = result.timings
    timings.server_ms = frame.server_ms
    note = frame.note
    if note is not None:
        result.verdict = serving_pb2.DROPPED
        result.drop.place = _PLACES[note.drop.place]
        result.drop.reason = note.drop.reason
        result.drop.code = note.code
        result.drop.detail = note.detail
        return
    result.verdict = serving_pb2.ANSWERED
    if found is not None:
        wanted = frame.gate.declared.options
        if wanted != AS_THE_ZOO:
            found = to_message(choose(from_message(found), wanted))
        put_answer(found, result)
    result.variant = frame.variant
    result.batch_size = frame.batch_size or 0
    timings.endpoint_ms = frame.handed_ms - frame.read_ms
    timings.queue_ms = frame.queue_ms
    timings.decode_ms = frame.decode_ms
    timings.inference_ms = frame.inference_ms
    if frame.energy_mj is not None:
        timings.energy_mj = frame.energy_mj
