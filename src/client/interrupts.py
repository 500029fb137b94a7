"""What SIGINT, SIGTERM and SIGHUP do to the client command."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = "\x1b[?25h"


class Interrupts:
    """Has signals end the command in good order; a context manager, for the main thread.

    While cameras stream, the first signal stops them, and the second ends the process at once. Before and after that,
    a signal ends it as an error would. What was ignored when the command was started stays ignored, as under `nohup`.
    Handlers are set in any case, for a process with number 1 gets no other signals.
    """

    def __init__(self) -> None:
        self._old: dict[signal.Signals, Any] = {}
        self._stop: Callable[[], object] | None = None
        self._is_held = False
        self._heard: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._old[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Calls `stop` at the first signal, and leaves at the second, until the block ends."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lets the block end before a first signal does anything."""
        self._is_held = True
        was_heard = self._heard is not None
        try:
            yield
        finally:
            self._is_held = False
        if self._heard is not None and not was_heard:
            _end(self._heard)

    def _take(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._stop is None and not self._is_held:
            _end(number)
        if self._heard is not None:
            _leave_at_once(number)
        self._heard = number
        if self._stop is not None:
            self._stop()


def _end(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _leave_at_once(number: int) -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
    os._exit(128 + number)
