"""One stream's call, as gRPC and the endpoint have it; what is decided about it is its gate's."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from ...scheduling.cores.endpoint.gate import StreamGate
from .outbox import Outbox
from .problems import SessionError

TOKEN_BYTES = 16
PROOF_BYTES = 8


def proof_of(token: str) -> int:
    """What the secret of a session hashes to, so that it need not be passed on; 0 of none."""
    digest = hashlib.sha256(token.encode()).digest()
    return int.from_bytes(digest[:PROOF_BYTES], "little") if token else 0


@dataclass(slots=True, eq=False)
class Session:
    """Only the event loop's thread touches it.

    Attributes:
        gate: of its stream.
        token: what its client opens it with.
        end: why its call ends, where that is not the client's goodbye.
        stop_writing: interrupts the write that is under way.
    """

    gate: StreamGate
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))
    outbox: Outbox = field(default_factory=Outbox)
    end: SessionError | None = None
    stop_writing: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        self.gate.proof = proof_of(self.token)

    @property
    def stream_id(self) -> str:
        """The stream's own name."""
        return self.gate.stream_id

    def fail(self, error: SessionError) -> None:
        """Ends the stream's call with a status; what waits to be sent is sent before."""
        if self.end is None:
            self.end = error
        self.outbox.close()
