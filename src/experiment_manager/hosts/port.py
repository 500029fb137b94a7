"""A way to a host: agents are started there, files are put there and fetched from there."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ...core.errors import RunError
from ...live_run.cameras import LiveCamera
from .host import Host

MAX_LINE_BYTES = 4 * 1024 * 1024
_MAX_LAST_WORDS = 300


class HereConnection:
    """This machine; see `Connection`."""

    is_open = True

    def __init__(self, host: Host) -> None:
        self.host = host

    async def start(self, words: Sequence[str]) -> AgentPipe:
        """See `Connection`."""
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            start_new_session=True,  # a Ctrl-C at the terminal is ours to pass on
        )
        assert process.stdin is not None  # noqa: S101 they are pipes
        assert process.stderr is not None  # noqa: S101
        stdin = process.stdin
        messages = asyncio.create_task(process.stderr.read(), name="agent's messages")

        async def end() -> bytes:
            stdin.close()
            await process.wait()
            return await messages

        return AgentPipe(self.host, process, end)

    async def fetch(self, source: Path, target: Path) -> None:
        """See `Connection`."""
        await asyncio.to_thread(shutil.copyfile, source, target)

    async def put(self, source: Path, target: Path) -> None:
        """See `Connection`."""
        await self.fetch(source, target)

    async def close(self) -> None:
        """See `Connection`."""
        return


class HostError(RunError):
    """A host cannot be reached, or has been lost."""

    def __init__(self, host: Host, problem: str) -> None:
        super().__init__(f"{host}: {problem}")
        self.host = host


class AgentPipe:
    """Standard streams of an agent's process."""

    def __init__(
        self,
        host: Host,
        process: Any,  # noqa: ANN401 asyncio's or asyncssh's
        end: Callable[[], Awaitable[bytes]],
        *lost: type[Exception],
    ) -> None:
        """Takes over a process.

        `end` ends its input, waits for its end and returns its messages; `lost` is what it raises beside `OSError`
        when the host is lost.
        """
        self._host = host
        self._process = process
        self._end = end
        self._lost: tuple[type[Exception], ...] = (OSError, *lost)

    async def write(self, data: bytes) -> None:
        """Writes to its input; `HostError` if that has ended."""
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except self._lost as error:
            raise HostError(self._host, f"is lost: {error}") from None

    async def readline(self) -> bytes:
        """A line of its output; empty at the end."""
        try:
            line: bytes = await self._process.stdout.readline()
        except self._lost as error:
            raise HostError(self._host, f"is lost: {error}") from None
        return line

    async def close(self) -> str:
        """Ends its input and waits until it has ended; returns the last line of its messages."""
        try:
            messages = await self._end()
        except self._lost as error:
            return str(error)
        lines = messages.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:_MAX_LAST_WORDS] if lines else ""


class Connection(Protocol):
    """A host that can be used."""

    host: Host

    @property
    def is_open(self) -> bool:
        """Whether the host has not been lost, as far as is known."""
        ...

    async def start(self, words: Sequence[str]) -> AgentPipe:
        """Starts a program from an argument vector; HostError if the host is lost."""
        ...

    async def fetch(self, source: Path, target: Path) -> None:
        """Copies a file from the host.

        Raises:
            HostError: if the host is lost, or does not give it.
            OSError: if it cannot be written here.
        """
        ...

    async def put(self, source: Path, target: Path) -> None:
        """Copies a file to the host.

        Raises:
            HostError: if the host is lost, or does not take it.
            OSError: if it cannot be read here.
        """
        ...

    async def close(self) -> None:
        """Gives the host up; what still runs there loses its lease."""
        ...


@dataclass(frozen=True, slots=True)
class Share:
    """The cameras of a run that one host plays."""

    connection: Connection
    cameras: Sequence[LiveCamera]
