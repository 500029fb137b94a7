"""The lease on an agent: it works only while whoever started it says so again and again."""

from __future__ import annotations

import os
import queue
import selectors
import threading
import time
from collections.abc import Callable

from ...core.errors import RunError

RENEW = "renew"
MIN_LEASE_S = 1.0
MAX_LEASE_S = 45.0  # with an agent's and a server's end no more than a minute
_MAX_LINE_BYTES = 4 * 1024 * 1024


class LeaseLostError(RunError):
    """Nobody wants the work any more."""


class LineReader:
    """Lines of a file descriptor, with a limit to the wait for each."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()

    def read(self, limit_s: float) -> str:
        """Returns the next line without its end.

        Raises:
            EOFError: if there will be none.
            TimeoutError: if none comes in time.
        """
        end_s = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._descriptor, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, end_s - time.monotonic())):
                    raise TimeoutError(f"no line in {limit_s:g} s")
                data = os.read(self._descriptor, 65536)
                self._buffer += data
                if not data or len(self._buffer) > _MAX_LINE_BYTES:
                    raise EOFError("the input has ended")
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = bytearray(rest)
        return line.decode("utf-8", "replace")


class Lease:
    """Reads commands in a thread of its own; every line renews the lease."""

    def __init__(
        self, lines: LineReader, lease_s: float, last_command: str, on_lost: Callable[[], None]
    ) -> None:
        """The time of the lease begins to run.

        After the last command no lease is needed. `on_lost` is called once, by the thread, when no line came in time
        or none can come.

        Raises:
            ValueError: if the length is out of range.
        """
        if not MIN_LEASE_S <= lease_s <= MAX_LEASE_S:
            raise ValueError(f"lease_s={lease_s:g}: must be {MIN_LEASE_S:g} to {MAX_LEASE_S:g}")
        self._lines = lines
        self._lease_s = lease_s
        self._last_command = last_command
        self._on_lost = on_lost
        self._commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._keep, name="lease", daemon=True).start()

    def next_command(self) -> str:
        """Waits for the next command that is not only a renewal; LeaseLostError if the lease was lost."""
        command = self._commands.get()
        if command is None:
            self._commands.put(None)  # for whoever asks next
            raise LeaseLostError("the lease was lost")
        return command

    def _keep(self) -> None:
        try:
            command = ""
            while command != self._last_command:
                command = self._lines.read(self._lease_s)
                if command != RENEW:
                    self._commands.put(command)
        except (EOFError, TimeoutError, OSError):
            self._on_lost()
            self._commands.put(None)
