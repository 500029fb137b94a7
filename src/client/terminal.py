"""How the client command gets on with its terminal: signals, what it shows, and when nobody looks any more."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import IO, Any, Self, cast

from rich.console import Console, RenderableType
from rich.progress import Task

from ..files.progress import progress_bar
from .answers import Answer
from .emulation import EmulatedCamera

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

    def __exit__(self, *_: object) -> None:
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


class Terminal:
    """A stream that whoever read it may leave: what is written then is lost, and nothing else happens."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes text, if that can be."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hands on what was written, if that can be."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 the rest of the stream
        return getattr(self._stream, name)


def show(shown: RenderableType, line: str) -> None:
    """Prints something and a line on standard output; whoever read that may have gone."""
    try:
        Console().print(shown)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError:  # the interpreter would complain at its end about what it could not write
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(text: str) -> None:
    """Writes a line on standard error."""
    Terminal(sys.stderr).write(f"moonjelly: {text}\n")


@contextlib.contextmanager
def show_progress(cameras: Sequence[EmulatedCamera], seconds: float | None) -> Iterator[Bar]:
    """Shows how far the run is, on standard error."""
    total = None if seconds is None else sum(max(1, round(seconds * one.fps)) for one in cameras)
    progress = progress_bar(
        f"{{task.completed}}/{total or '?'} {{task.fields[note]}}",
        console=Console(file=cast("IO[str]", Terminal(sys.stderr))),
    )
    title = f"{len(cameras)} device{'s' if len(cameras) > 1 else ''}"
    progress.add_task(title, total=total, note="waiting for the server")
    with progress:
        yield Bar(progress.tasks[0])


class Bar:
    """Counts answers on a progress bar.

    It leaves them where the bar looks for them, and never waits for that: a terminal may be stopped while it draws.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._num_in_time = 0

    def __call__(self, answer: Answer) -> None:
        """Counts an answer."""
        self._task.completed += 1
        self._num_in_time += answer.is_in_time
        share = 100 * self._num_in_time / self._task.completed
        self._task.fields["note"] = f"{share:.1f} % in time"
