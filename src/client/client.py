"""A client: one connection to a server, and the streams on it."""

from __future__ import annotations

import os
import secrets
import weakref
from typing import Any, Self

from .access import NO_ACCESS, Access, access_of
from .connection import check_address
from .connections import Connections, was_forked
from .options import StreamOptions
from .sources import FrameSource
from .stream import Stream
from .threads import Workers

DEFAULT_ADDRESS = "127.0.0.1:10001"


class Client:
    """Streams to one server; an asynchronous context manager.

    Up to 64 streams share a TCP connection, hence a link; of more streams each 64 have one.
    """

    def __init__(
        self, address: str, workers: Workers | None = None, access: Access = NO_ACCESS
    ) -> None:
        """Prepares the connection; nothing is sent yet.

        Raises:
            ValueError: if that is no address, or a token would travel unencrypted.
        """
        self.address = check_address(address)
        access.check(address)
        self._access = access
        self._shared_workers = workers
        self._workers: Workers | None = None
        self._connections: Connections | None = None
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()

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
            ValueError: naming the option that is out of range, or the source that is none.
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
            ValueError: if that is no source.
            RuntimeError: if the client is not entered.
        """
        if self._connections is None or self._workers is None:
            raise RuntimeError("the client is not connected; use it as `async with connect(...)`")
        stream = Stream(self._connections, source, options, self._workers)
        self._streams.add(stream)
        return stream

    async def __aenter__(self) -> Self:
        if self._connections is not None:
            raise RuntimeError("the client is entered already")
        self._connections = Connections(self.address, self._access)
        self._workers = self._shared_workers or Workers()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connections is None or was_forked():
            return
        self._connections.check_loop()
        connections, self._connections = self._connections, None
        for stream in list(self._streams):  # those whose block is not left yet
            await stream.abandon()
        self._streams.clear()
        await connections.close()
        if self._workers is not None and self._shared_workers is None:
            self._workers.close()
        self._workers = None


def connect(
    address: str = DEFAULT_ADDRESS,
    *,
    token: str | None = None,
    ca: str = "",
    certificate: str = "",
    key: str = "",
) -> Client:
    """Prepares a client for the server at HOST:PORT; `async with` opens and closes it.

    Args:
        address: of the server.
        token: of a tenant of the server; if it is not given, what the variable MOONJELLY_TOKEN says.
        ca: file of the certificates that may vouch for the server's, or `public`; empty for no TLS.
        certificate: file of the client's own, for servers that want one; empty for none.
        key: file of its key.

    Raises:
        ValueError: if that is no address, or a token would travel unencrypted to another host.
        UsageError: if a file cannot be used.
    """
    return Client(address, access=access_of(token, ca, certificate, key))
