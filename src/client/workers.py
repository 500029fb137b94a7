"""The threads that keep pictures off the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from ..core.errors import RunError

Value = TypeVar("Value")


class Worker(Executor):
    """One thread that does what it is given, in order.

    Nobody waits for it when the program ends: it may stand in a camera that gives nothing any more.
    """

    def __init__(self, name: str) -> None:
        """Starts no thread before there is something to do."""
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(  # type: ignore[override] # no keywords are needed
        self, function: Callable[..., Value], /, *arguments: object
    ) -> Future[Value]:
        """Has a function called; what it returns or raises is in the future.

        Raises:
            RuntimeError: if the worker was shut down.
        """
        future: Future[Value] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                value = function(*arguments)
            except BaseException as error:  # noqa: BLE001 whoever waits has to get it
                future.set_exception(error)
            else:
                future.set_result(value)

        with self._lock:
            if self._is_closed:
                raise RuntimeError(f"{self._name}: takes no more work")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._work.put(work)
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:
        """Ends the thread after what it was given; waits for it only if that is asked for."""
        del cancel_futures
        with self._lock:
            self._is_closed = True
            self._work.put(None)
        if wait and self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


class Workers:
    """Two threads: one reads ahead, the other resizes and encodes what is about to be sent.

    Apart, because a frame that is to be sent must not wait for pictures that are not due yet.

    Attributes:
        reader: for sources that are not live.
        encoder: for resizing and encoding.
    """

    def __init__(self) -> None:
        self.reader = Worker("moonjelly-read")
        self.encoder = Worker("moonjelly-encode")

    def close(self) -> None:
        """Ends the threads after what they have been given; does not wait for it."""
        self.reader.shutdown()
        self.encoder.shutdown()


async def call_in(executor: Executor, function: Callable[..., Value], *arguments: object) -> Value:
    """Calls a function in another thread, and returns or raises what it does.

    What asyncio cannot carry from a thread to a task, or would take for its own (`StopIteration`, `SystemExit`,
    `CancelledError` and their like), is raised as a `RunError`.
    """
    value: Value
    value, error = await asyncio.get_running_loop().run_in_executor(
        executor, _outcome, function, arguments
    )
    if error is None:
        return value
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        raise error
    name = getattr(function, "__qualname__", repr(function))
    raise RunError(f"{name} raised {type(error).__name__}: {error}".removesuffix(": ")) from error


def _outcome(
    function: Callable[..., Any], arguments: tuple[object, ...]
) -> tuple[Any, BaseException | None]:
    try:
        return function(*arguments), None
    except BaseException as error:  # noqa: BLE001 it is raised again where it belongs
        return None, error
