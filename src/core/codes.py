"""How calls and frames fail, in the words of gRPC but without its classes."""

from __future__ import annotations

from enum import StrEnum

from .verdict import Reason


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
    UNAUTHENTICATED = "UNAUTHENTICATED"


CODE_OF_REASON = {
    Reason.TOO_LATE: Code.DEADLINE_EXCEEDED,
    Reason.NOT_PLACED: Code.RESOURCE_EXHAUSTED,
    Reason.PREEMPTED: Code.RESOURCE_EXHAUSTED,
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
