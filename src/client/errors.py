"""Errors of the SDK.

    RunError (exit status 1)
    +-- ClientError
        +-- Refused        the server has no room for the stream; holds what would fit
        +-- Unavailable    no server answered in the time allowed, or none that takes streams
        +-- StreamFailed   the server ended the stream for good, or broke the protocol

Arguments that cannot be are refused before anything is sent, with `ValueError`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import RunError


class ClientError(RunError):
    """Base of what can go wrong between a client and a server."""


class Unavailable(ClientError):  # noqa: N818
    """No server answered in the time allowed, or it takes no streams yet.

    Attributes:
        retry_after_ms: when to ask again, as the server advises; 0 if it does not.
    """

    def __init__(self, text: str, retry_after_ms: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_ms = retry_after_ms


class StreamFailed(ClientError):  # noqa: N818
    """The server ended the stream for good, or said what cannot be."""


@dataclass(frozen=True, slots=True)
class CounterOffer:
    """A registration that would be accepted by the plan in force."""

    fps: float
    slo_ms: float

    def __str__(self) -> str:
        return f"{self.fps:g} frames/s with an SLO of {self.slo_ms:g} ms"


class Refused(ClientError):  # noqa: N818
    """The server does not take the stream.

    Attributes:
        reason: infeasible, overload, session_limit, not_ready, unspecified, or other: one that is not known here.
        counter_offers: what would be accepted now; may be empty.
        retry_after_ms: when to ask again, as the server advises; 0 if it does not.
    """

    def __init__(
        self,
        stream_id: str,
        reason: str,
        detail: str,
        counter_offers: tuple[CounterOffer, ...] = (),
        retry_after_ms: float = 0.0,
    ) -> None:
        offers = " or ".join(str(offer) for offer in counter_offers) or "nothing"
        super().__init__(f"{stream_id}: refused ({reason}): {detail}; would fit now: {offers}")
        self.stream_id = stream_id
        self.reason = reason
        self.detail = detail
        self.counter_offers = counter_offers
        self.retry_after_ms = retry_after_ms
