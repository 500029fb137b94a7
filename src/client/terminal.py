"""What the client command shows while it runs, and how it goes on when nobody looks any more."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
)

from .answers import Answer
from .emulation import EmulatedCamera


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
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=Console(file=cast("IO[str]", Terminal(sys.stderr))),
    )
    total = None if seconds is None else sum(max(1, round(seconds * one.fps)) for one in cameras)
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
