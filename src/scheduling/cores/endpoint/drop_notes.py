"""Why frames are given up, with what their clients are told."""

from __future__ import annotations

from dataclasses import dataclass

from ....core.codes import CODE_OF_REASON, Code
from ....core.verdict import Drop, Place, Reason


@dataclass(frozen=True, slots=True)
class DropNote:
    """Why a frame was given up.

    Attributes:
        detail: for its client.
        decode_ms: what decoding it took; 0 if it was not decoded.
    """

    drop: Drop
    code: Code
    detail: str = ""
    decode_ms: float = 0.0


def given_up(reason: Reason, detail: str) -> DropNote:
    """A frame given up at the endpoint."""
    return DropNote(Drop(Place.ENDPOINT, reason), CODE_OF_REASON[reason], detail)


def bad(detail: str, code: Code = Code.INVALID_ARGUMENT) -> DropNote:
    """A frame that breaks a rule."""
    return DropNote(Drop(Place.ENDPOINT, Reason.BAD_FRAME), code, detail)


FAILED = bad("the server failed on it", Code.INTERNAL)
DRAINING = given_up(Reason.DRAINING, "the server is shutting down")
TOO_LATE = given_up(Reason.TOO_LATE, "could not be answered in time any more")
MEMORY_FULL = given_up(Reason.NO_SLOT, "the frame memory is full")
WAITED_FOR_A_SLOT = given_up(Reason.NO_SLOT, "waited for its turn until it was too late")
WAITED_AS_SUSPECT = given_up(Reason.EXECUTOR_LOST, "waited for its turn until it was too late")
NO_DEVICE = given_up(Reason.EXECUTOR_LOST, "its device is being restarted")
NOT_TAKEN = given_up(Reason.EXECUTOR_LOST, "its device takes nothing")
DEVICE_FAILED = given_up(Reason.EXECUTOR_LOST, "its device failed")
DEVICE_SILENT = given_up(Reason.EXECUTOR_LOST, "its device says nothing of it")
POISON = given_up(Reason.EXECUTOR_LOST, "frames of this stream end executors")
CLIENT_GONE = given_up(Reason.CONNECTION_LOST, "its client is gone")
