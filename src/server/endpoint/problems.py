"""What can go wrong with a call, in the words of gRPC but without its classes.

SessionError     ends the call with a status; its text is meant for the client.
+-- Refused      a registration that does not fit; carries what would.
"""

from __future__ import annotations

from enum import StrEnum

from ...core.verdict import Reason
from ...protos.serving_pb2 import Refusal

MAX_DETAIL_BYTES = 512


class Code(StrEnum):
    """Names of gRPC statuses that we answer with."""

    CANCELLED = "CANCELLED"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"


CODE_OF_REASON = {
    Reason.TOO_LATE: Code.DEADLINE_EXCEEDED,
    Reason.NOT_PLACED: Code.RESOURCE_EXHAUSTED,
    Reason.QUEUE_FULL: Code.RESOURCE_EXHAUSTED,
    Reason.NO_SLOT: Code.RESOURCE_EXHAUSTED,
    Reason.RATE_EXCEEDED: Code.RESOURCE_EXHAUSTED,
    Reason.EXECUTOR_LOST: Code.UNAVAILABLE,
    Reason.CONNECTION_LOST: Code.CANCELLED,
    Reason.BAD_FRAME: Code.INVALID_ARGUMENT,
    Reason.MODEL_OUTPUT: Code.INTERNAL,
    Reason.DRAINING: Code.UNAVAILABLE,
    Reason.OTHER: Code.INTERNAL,
}


DETAIL_OF_REASON = {
    Reason.TOO_LATE: "could not be answered in time any more",
    Reason.EXECUTOR_LOST: "its device failed",
    Reason.BAD_FRAME: "jpeg: cannot be decoded",
    Reason.MODEL_OUTPUT: "the detector failed on it",
}
"""What clients are told of a frame that a device gave up: our words, whatever a library there said."""


class SessionError(Exception):
    """Ends a call.

    Attributes:
        code: the status.
        detail: for the client; at most 512 bytes.
    """

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail.encode()[:MAX_DETAIL_BYTES].decode(errors="ignore")


class Refused(SessionError):  # noqa: N818 an answer more than an error
    """A stream that does not fit, or comes before there is a device.

    Attributes:
        refusal: why, and what would fit, or when to ask again.
    """

    def __init__(self, refusal: Refusal) -> None:
        is_early = refusal.reason == Refusal.NOT_READY
        super().__init__(Code.UNAVAILABLE if is_early else Code.RESOURCE_EXHAUSTED, refusal.detail)
        self.refusal = refusal
