"""The SDK without `async`: the same client, run by an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from .answers import Answer
from .client import DEFAULT_ADDRESS, Client
from .sources import FrameSource
from .stream import Stream

Value = TypeVar("Value")


class SyncStream:
    """A `Stream` to be used with `with` and `for`; its other members stand under `stream`."""

    def __init__(self, client: SyncClient, stream: Stream) -> None:
        self.stream = stream
        self._client = client

    def __enter__(self) -> Self:
        """Opens the source and registers the stream; raises what `Stream.__aenter__` raises."""
        self._client.wait_for(self.stream.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.wait_for(self.stream.__aexit__(kind, error, traceback))

    def __iter__(self) -> Iterator[Answer]:
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield self._client.wait_for(_next(self.stream))

    def stop(self) -> None:
        """Captures nothing any more; frames under way are still answered, then the iteration ends."""
        self._client.call(self.stream.stop)


class SyncClient:
    """A `Client` to be used with `with`."""

    def __init__(self, address: str) -> None:
        """Prepares the connection; nothing is sent yet.

        Raises:
            ValueError: if that is no HOST:PORT.
        """
        self._client = Client(address)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="moonjelly-client")

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for(self._client.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.wait_for(self._client.__aexit__(kind, error, traceback))
        finally:
            self.call(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def stream(
        self,
        source: FrameSource | str | os.PathLike[str],
        *,
        fps: float,
        slo_ms: float,
        stream_id: str | None = None,
        **options: Any,  # noqa: ANN401 the other fields of StreamOptions
    ) -> SyncStream:
        """Prepares a stream; arguments and errors are those of `Client.stream`."""

        async def prepare() -> Stream:
            return self._client.stream(
                source, fps=fps, slo_ms=slo_ms, stream_id=stream_id, **options
            )

        return SyncStream(self, self.wait_for(prepare()))

    def wait_for(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Runs a coroutine in the client's thread, and waits for what it returns or raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Callable[[], None]) -> None:
        """Calls a function in the client's thread."""
        self._loop.call_soon_threadsafe(function)


def connect_sync(address: str = DEFAULT_ADDRESS) -> SyncClient:
    """Prepares a client for the server at HOST:PORT; `with` opens and closes it.

    Raises:
        ValueError: if that is no address.
    """
    return SyncClient(address)


async def _next(stream: Stream) -> Answer:
    return await stream.__anext__()
