"""What can go wrong with a call, in the words of gRPC but without its classes.

SessionError     ends the call with a status; its text is meant for the client.
+-- Refused      a registration that does not fit; carries what would.
"""

from __future__ import annotations

from ...core.codes import Code
from ...protos.serving_pb2 import Refusal
from ...scheduling.cores.endpoint.instructions import Why

MAX_DETAIL_BYTES = 512
RETRY_AFTER_MS = 1000.0

_REASONS = {
    Why.NOT_READY: Refusal.NOT_READY,
    Why.SESSION_LIMIT: Refusal.SESSION_LIMIT,
    Why.NO_SLOTS: Refusal.OVERLOAD,
    Why.NAME_TAKEN: Refusal.NAME_TAKEN,
}


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
    """A stream that does not fit, comes before there is a device, or while another of its name is live.

    Attributes:
        refusal: why, and what would fit, or when to ask again.
    """

    def __init__(self, refusal: Refusal) -> None:
        is_early = refusal.reason in (Refusal.NOT_READY, Refusal.NAME_TAKEN)
        super().__init__(Code.UNAVAILABLE if is_early else Code.RESOURCE_EXHAUSTED, refusal.detail)
        self.refusal = refusal


def not_registered(why: str | Refusal) -> SessionError:
    """What ends a registration: our own reason, a limit that it is beyond, or the scheduler's refusal."""
    if isinstance(why, Refusal):
        return Refused(why)
    if isinstance(why, Why) and why not in _REASONS:
        return SessionError(Code.UNAVAILABLE, why)
    reason = _REASONS[why] if isinstance(why, Why) else Refusal.SESSION_LIMIT
    refusal = Refusal(reason=reason, detail=why, retry_after_ms=RETRY_AFTER_MS)
    return Refused(refusal)
