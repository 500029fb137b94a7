"""The sessions of one endpoint."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from ...scheduling.streams.policing import RatePolicer
from .problems import Code, SessionError
from .registration import Registration
from .session import Session

TOKEN_BYTES = 16


class Sessions:
    """Sessions by the secret that opens them, and by stream."""

    def __init__(self) -> None:
        self._by_token: dict[str, Session] = {}
        self._by_stream: dict[str, Session] = {}
        self._num_made = 0

    def __len__(self) -> int:
        return len(self._by_token)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_token.values()))

    def find_stream(self, stream_id: str) -> Session | None:
        """The live session of a stream, if there is one."""
        return self._by_stream.get(stream_id)

    def make(self, declared: Registration, tolerance_ratio: float, now_ms: float) -> Session:
        """Makes a session, which counts once it is added."""
        self._num_made += 1
        return Session(
            token=secrets.token_urlsafe(TOKEN_BYTES),
            number=self._num_made,
            declared=declared,
            registered_ms=now_ms,
            policer=RatePolicer(declared.fps, tolerance_ratio, now_ms),
        )

    def add(self, session: Session) -> None:
        """Enters a session; the caller has removed any other of that stream."""
        self._by_token[session.token] = session
        self._by_stream[session.stream_id] = session

    def open(self, token: str, now_ms: float) -> Session:
        """Opens a registered session.

        Raises:
            SessionError: if there is none, or it is open already.
        """
        session = self._by_token.get(token)
        if session is None:
            raise SessionError(Code.NOT_FOUND, "session: not known here, or over; register again")
        if session.is_open:
            raise SessionError(Code.FAILED_PRECONDITION, "session: is open already")
        session.is_open = True
        session.observed.last_frame_ms = now_ms
        return session

    def remove(self, session: Session) -> bool:
        """Forgets a session; returns False if that was done before."""
        if self._by_token.pop(session.token, None) is None:
            return False
        if self._by_stream.get(session.stream_id) is session:
            del self._by_stream[session.stream_id]
        return True
