"""A client: one connection to a server, and the streams on it."""

from __future__ import annotations

import os
import secrets
from types import TracebackType
from typing import Any, Self

from .connection import Connection, check_address
from .options import StreamOptions
from .sources import FrameSource
from .stream import Stream
from .workers import Workers

DEFAULT_ADDRESS = "127.0.0.1:10001"


class Client:
    """A connection to a server; an asynchronous context manager.

    All its streams share one TCP connection, hence one link.
    """

    def __init__(self, address: str, workers: Workers | None = None) -> None:
        """Prepares the connection; nothing is sent yet.

        Args:
            address: HOST:PORT of the server.
            workers: threads to share with other clients of the program; its own, if not given.

        Raises:
            ValueError: if that is no address.
        """
        self.address = check_address(address)
        self._shared_workers = workers
        self._workers: Workers | None = None
        self._connection: Connection | None = None

    def stream(
        self,
        source: FrameSource | str | os.PathLike[str],
        *,
        fps: float,
        slo_ms: float,
        stream_id: str | None = None,
        **options: Any,  # noqa: ANN401 the other fields of StreamOptions
    ) -> Stream:
        """Prepares a stream; entering it asks the server for a place.

        Args:
            source: a `FrameSource`, or what `open_source` takes: `scene:SEED`, `camera:NUMBER`, a URL, a
                folder of pictures, a video file.
            fps: frame rate (frame/s).
            slo_ms: bound on capture to answer (ms).
            stream_id: name of the stream; one is made up if it is not given.
            options: any other field of `StreamOptions`.

        Raises:
            ValueError: naming the option that is out of range.
            RuntimeError: if the client is not entered.
        """
        if stream_id is None:
            stream_id = f"stream-{secrets.token_hex(4)}"
        return self.stream_of(
            source, StreamOptions(fps=fps, slo_ms=slo_ms, stream_id=stream_id, **options)
        )

    def stream_of(
        self, source: FrameSource | str | os.PathLike[str], options: StreamOptions
    ) -> Stream:
        """Prepares a stream from options that are checked already.

        Raises:
            RuntimeError: if the client is not entered.
        """
        if self._connection is None or self._workers is None:
            raise RuntimeError("the client is not connected; use it as `async with connect(...)`")
        return Stream(self._connection, source, options, self._workers)

    async def __aenter__(self) -> Self:
        self._workers = self._shared_workers or Workers()
        self._connection = Connection(self.address)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        if self._workers is not None and self._shared_workers is None:
            self._workers.close()
        self._workers = None


def connect(address: str = DEFAULT_ADDRESS) -> Client:
    """Prepares a client for the server at HOST:PORT; `async with` opens and closes it.

    Raises:
        ValueError: if that is no address.
    """
    return Client(address)
