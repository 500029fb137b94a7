"""The threads that keep pictures off the event loop; each may be stuck in somebody else's code, and nobody waits for it."""

from __future__ import annotations

import atexit
import queue
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
_Work = tuple["Future[Any]", Callable[[], Any]]

_GRACE_S = 1.0
_in_use: weakref.WeakSet[OneThread] = weakref.WeakSet()


class OneThread(Executor):
    """Runs one call after the other, in a daemon thread: a program can end while it is stuck in one.

    The threads of `concurrent.futures` are waited for when the program ends, for ever if need be; these for a second,
    as the interpreter may not go away under code that runs.
    """

    def __init__(self, name: str) -> None:
        """Names the thread; it is started by the first call."""
        self._name = name
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_shut_down = False

    def submit(
        self,
        fn: Callable[Arguments, Value],
        /,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Future[Value]:
        """Has a call made after those before it; RuntimeError if it was shut down."""
        future: Future[Value] = Future()
        with self._lock:
            if self._is_shut_down:
                raise RuntimeError(f"thread {self._name}: is shut down")
            self._work.put((future, lambda: fn(*args, **kwargs)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
                _in_use.add(self)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the thread after the calls that it was given, whatever `cancel_futures` says."""
        with self._lock:
            if not self._is_shut_down:
                self._is_shut_down = True
                self._work.put(None)
            thread = self._thread
        if wait and thread is not None:
            thread.join()

    def end_soon(self, until_s: float) -> None:
        """Ends the thread if it is free by a time of `time.monotonic`."""
        self.shutdown(wait=False)
        if self._thread is not None:
            self._thread.join(max(0.0, until_s - time.monotonic()))

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            future, call = work
            if not future.set_running_or_notify_cancel():
                continue
            try:
                value = call()
            except BaseException as error:  # noqa: BLE001 whoever waits gets it
                future.set_exception(error)
            else:
                future.set_result(value)
            del work, future, call  # pictures must not live until the next call


@atexit.register
def _end_all() -> None:
    until_s = time.monotonic() + _GRACE_S
    for one in list(_in_use):
        one.end_soon(until_s)


class Workers:
    """Two threads: one reads ahead, the other resizes and encodes what is about to be sent.

    Apart, because a frame that is to be sent must not wait for pictures that are not due yet.

    Attributes:
        reader: for sources that read at once; others have threads of their own.
        encoder: for resizing and encoding.
    """

    def __init__(self) -> None:
        self.reader = OneThread("moonjelly-read")
        self.encoder = OneThread("moonjelly-encode")

    def close(self) -> None:
        """Ends the threads after what they have been given; does not wait for it."""
        self.reader.shutdown(wait=False)
        self.encoder.shutdown(wait=False)
