"""The SDK without `async`: the same client, run by an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import CancelledError
from typing import Any, Self, TypeVar

from .answers import Answer
from .client import DEFAULT_ADDRESS, Client, connect
from .connections import check_not_forked, was_forked
from .sources import FrameSource
from .stream import Stream

Value = TypeVar("Value")

_NOT_ENTERED = "the client is not connected; use it as `with connect_sync(...) as client`"


class SyncStream:
    """A `Stream` to be used with `with` and `for`; its other members stand under `stream`."""

    def __init__(self, client: SyncClient, stream: Stream) -> None:
        self.stream = stream
        self._client = client

    def __enter__(self) -> Self:
        """Opens the source and registers the stream; raises what `Stream.__aenter__` raises."""
        self._client.wait_for(self.stream.__aenter__())
        return self

    def __exit__(self, *problem: object) -> None:
        if not was_forked():
            self._client.wait_for(self.stream.__aexit__(*problem))

    def __iter__(self) -> Iterator[Answer]:
        """The answers; raises what `Stream.__anext__` raises."""
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield self._client.wait_for(self.stream.__anext__())

    def stop(self) -> None:
        """Captures nothing any more; frames under way are still answered, then the iteration ends."""
        self.stream.stop()


class SyncClient:
    """A `Client` to be used with `with`, in a thread that runs no event loop of its own."""

    def __init__(self, client: Client) -> None:
        """Prepares the connection; nothing is sent yet."""
        self._client = client
        self._loop: asyncio.AbstractEventLoop | None = None  # while it is entered

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise RuntimeError("the client is entered already")
        _check_no_loop_here()
        check_not_forked()
        self._loop = asyncio.new_event_loop()
        # Nobody waits for it at the end of a program that never leaves the client.
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="moonjelly-client", daemon=True
        )
        self._thread.start()
        try:
            self.wait_for(self._client.__aenter__())
        except BaseException:
            self._end_loop()
            raise
        return self

    def __exit__(self, *problem: object) -> None:
        if self._loop is None or was_forked():
            return
        try:
            self.wait_for(self._client.__aexit__(*problem))
        finally:
            self._end_loop()

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
        """Runs a coroutine in the client's thread, and waits for what it returns or raises.

        Raises:
            RuntimeError: if the client is not entered, or this thread runs an event loop, which would stand.
        """
        loop = self._loop
        try:
            if loop is None:
                raise RuntimeError(_NOT_ENTERED)  # noqa: TRY301 all refusals close the coroutine
            _check_no_loop_here()
            check_not_forked()
        except RuntimeError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError("the client was closed meanwhile") from None
        except BaseException:
            future.cancel()  # Ctrl-C while we wait: nobody wants the result any more
            raise

    def _end_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()


def connect_sync(
    address: str = DEFAULT_ADDRESS,
    *,
    token: str | None = None,
    ca: str = "",
    certificate: str = "",
    key: str = "",
) -> SyncClient:
    """Prepares a client for the server at HOST:PORT; `with` opens and closes it. Arguments and errors as of `connect`."""
    return SyncClient(connect(address, token=token, ca=ca, certificate=certificate, key=key))


async def _end_tasks() -> None:
    """Ends what other threads still wait for."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _check_no_loop_here() -> None:
    """Raises RuntimeError in a thread that runs an event loop: it would stand until the client is done."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "this thread runs an event loop, which the client would hold up; use `async with connect(...)` there"
    )
