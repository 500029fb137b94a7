"""Ways to a host: agents are started there, files of runs are fetched from there."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from ...core.checks import echo
from ...core.errors import RunError, UsageError
from . import agent
from .agent import Request
from .host import Host
from .lease import RENEW

if TYPE_CHECKING:
    import asyncssh

CONNECT_LIMIT_S = 15.0
KEEPALIVE_PERIOD_S = 5.0
MAX_KEEPALIVES_LOST = 3
END_LIMIT_S = 15.0  # an agent stops a server in less
_RENEWALS_PER_LEASE = 4
_MAX_LINE_BYTES = 4 * 1024 * 1024
_FILE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")


class HostError(RunError):
    """A host cannot be reached, or has been lost.

    Attributes:
        host: which one.
    """

    def __init__(self, host: Host, problem: str) -> None:
        super().__init__(f"{host}: {problem}")
        self.host = host


class Channel(Protocol):
    """Standard streams of a process on a host."""

    async def write(self, data: bytes) -> None:
        """Writes to its input; `OSError` or `HostError` if that has ended."""
        ...

    async def readline(self) -> bytes:
        """A line of its output; empty at the end."""
        ...

    async def close(self) -> str:
        """Ends its input and waits until it has ended; returns the last line of its messages."""
        ...


class Connection(Protocol):
    """A host that can be used."""

    host: Host

    @property
    def is_open(self) -> bool:
        """Whether the host has not been lost, as far as is known."""
        ...

    async def start(self, words: Sequence[str]) -> Channel:
        """Starts a program from an argument vector.

        Raises:
            HostError: if the host is lost.
        """
        ...

    async def fetch(self, source: Path, target: Path) -> None:
        """Copies a file from the host.

        Raises:
            HostError: if the host is lost, or does not give it.
            OSError: if it cannot be written here.
        """
        ...

    async def close(self) -> None:
        """Gives the host up; what still runs there loses its lease."""
        ...


async def connect(host: Host) -> Connection:
    """Makes a host usable.

    Raises:
        HostError: if it cannot be reached, is not the one of `known_hosts`, or does not take the key.
        UsageError: if it needs SSH and the library is not installed, or a key file cannot be used.
    """
    return _HereConnection(host) if host.is_here else await _SshConnection.open(host)


class AgentCall:
    """An agent at work: events come, commands go, the lease is renewed. An asynchronous context."""

    def __init__(self, connection: Connection, request: Request) -> None:
        """Prepares the call; the agent is started when it is entered."""
        self.host = connection.host
        self.request = request
        self._connection = connection
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._channel = await self._connection.start([self.host.python, "-m", agent.MODULE])
        await self.send(json.dumps(dataclasses.asdict(self.request)))
        self._renewing = asyncio.create_task(self._renew(), name=f"lease {self.host.name}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing
        await self._close()

    async def send(self, line: str) -> None:
        """Sends a line.

        Raises:
            HostError: if the host or the agent is lost.
        """
        try:
            await self._channel.write(line.encode() + b"\n")
        except OSError as error:
            raise HostError(self.host, f"is lost: {error}") from None

    async def expect(
        self,
        event: str,
        limit_s: float,
        on_progress: Callable[[int, int], None] = lambda _answers, _in_time: None,
    ) -> dict[str, Any]:
        """Waits for an event; returns its fields.

        Args:
            event: `ready` or `done`.
            limit_s: how long it may take.
            on_progress: told of answers, and how many of them were in time, on the way.

        Raises:
            RunError: if the agent could not do what it was asked for.
            HostError: if the host is lost, or takes too long.
        """
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    fields = await self._next()
                    if fields["event"] == event:
                        return fields
                    if fields["event"] == "failed":
                        raise RunError(f"{self.host}: {fields['problem']}")
                    if fields["event"] == "progress":
                        on_progress(int(fields["answers"]), int(fields["in_time"]))
        except TimeoutError:
            raise HostError(self.host, f"is not {event} after {limit_s:.0f} s") from None
        except (ValueError, KeyError, TypeError):
            raise HostError(self.host, "its agent says what cannot be understood") from None

    async def _next(self) -> dict[str, Any]:
        line = await self._channel.readline()
        if not line.endswith(b"\n"):
            last = await self._close()
            raise HostError(self.host, f"its agent has ended{last and ': '}{last}")
        fields: dict[str, Any] = json.loads(line)
        return fields

    async def fetch(self, names: Sequence[str], target: Path) -> None:
        """Copies files of the run from the host.

        Args:
            names: relative to the folder of the request; the agent's word is not enough for them.
            target: existing folder that they go to, by the same names.

        Raises:
            HostError: if the host is lost, does not give a file, or names one that it must not.
            OSError: if one cannot be written here.
        """
        for name in names:
            parts = PurePosixPath(name).parts
            if not parts or not all(_FILE_PART.fullmatch(part) for part in parts):
                raise HostError(self.host, f"names a file that it must not: {echo(name)}")
            path = target.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            await self._connection.fetch(self.request.folder.joinpath(*parts), path)

    async def _renew(self) -> None:
        with contextlib.suppress(HostError):  # whoever waits for an event hears of it
            while True:
                await asyncio.sleep(self.request.lease_s / _RENEWALS_PER_LEASE)
                await self.send(RENEW)

    async def _close(self) -> str:
        """Ends the agent's input, and waits a while for its end; a host that is lost is let go."""
        try:
            async with asyncio.timeout(END_LIMIT_S):
                return await self._channel.close()
        except (TimeoutError, OSError, HostError):
            return ""


class _HereConnection:
    """This machine."""

    is_open = True

    def __init__(self, host: Host) -> None:
        self.host = host

    async def start(self, words: Sequence[str]) -> Channel:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_MAX_LINE_BYTES,
            start_new_session=True,  # a Ctrl-C at the terminal is ours to pass on
        )
        return _HereChannel(process)

    async def fetch(self, source: Path, target: Path) -> None:
        await asyncio.to_thread(shutil.copyfile, source, target)

    async def close(self) -> None:
        return


class _HereChannel:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stdin is not None  # noqa: S101 they are pipes
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._stdin, self._stdout = process.stdin, process.stdout
        self._messages = asyncio.create_task(process.stderr.read(), name="agent's messages")

    async def write(self, data: bytes) -> None:
        self._stdin.write(data)
        await self._stdin.drain()

    async def readline(self) -> bytes:
        return await self._stdout.readline()

    async def close(self) -> str:
        self._stdin.close()
        await self._process.wait()
        return _last_line(await self._messages)


class _SshConnection:
    """A host behind an SSH server."""

    def __init__(self, host: Host, connection: asyncssh.SSHClientConnection) -> None:
        self.host = host
        self._connection = connection
        self._sftp: asyncssh.SFTPClient | None = None

    @property
    def is_open(self) -> bool:
        return not self._connection.is_closed()

    @classmethod
    async def open(cls, host: Host) -> Self:
        try:
            import asyncssh  # noqa: PLC0415 an extra, and takes half a second
        except ImportError:
            raise UsageError(
                f"{host}: needs the library asyncssh: pip install 'moonjelly[ssh]'"
            ) from None
        try:
            connection = await asyncssh.connect(
                host.address,
                host.port,
                username=host.user,
                client_keys=[asyncssh.read_private_key(host.key)] if host.key else (),
                **({"agent_path": None} if host.key else {}),
                known_hosts=host.known_hosts,
                config=None,  # the hosts file says everything
                preferred_auth="publickey",
                password_auth=False,
                kbdint_auth=False,
                host_based_auth=False,
                gss_auth=False,
                gss_kex=False,
                connect_timeout=CONNECT_LIMIT_S,
                login_timeout=CONNECT_LIMIT_S,
                keepalive_interval=KEEPALIVE_PERIOD_S,
                keepalive_count_max=MAX_KEEPALIVES_LOST,
            )
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise UsageError(
                f"{host}: key {host.key}: {error}; a key with a passphrase needs an SSH agent"
            ) from None
        except asyncssh.HostKeyNotVerifiable as error:
            raise HostError(
                host, f"its key does not stand in {host.known_hosts}: {error}; no key was sent"
            ) from None
        except (asyncssh.Error, OSError) as error:
            raise HostError(host, f"cannot be reached: {error or type(error).__name__}") from None
        return cls(host, connection)

    async def start(self, words: Sequence[str]) -> Channel:
        import asyncssh  # noqa: PLC0415

        try:
            process = await self._connection.create_process(
                shlex.join(words), encoding=None, window=_MAX_LINE_BYTES
            )
        except (asyncssh.Error, OSError) as error:
            raise HostError(self.host, f"is lost: {error}") from None
        return _SshChannel(self.host, process)

    async def fetch(self, source: Path, target: Path) -> None:
        import asyncssh  # noqa: PLC0415

        try:
            if self._sftp is None:
                self._sftp = await self._connection.start_sftp_client()
            await self._sftp.get(str(source), str(target), follow_symlinks=False)
        except asyncssh.Error as error:
            raise HostError(self.host, f"{source} does not come: {error}") from None

    async def close(self) -> None:
        self._connection.abort()
        with contextlib.suppress(Exception):  # it may have failed before
            await self._connection.wait_closed()


class _SshChannel:
    def __init__(self, host: Host, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._host = host
        self._process = process

    async def write(self, data: bytes) -> None:
        import asyncssh  # noqa: PLC0415

        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except asyncssh.Error as error:
            raise HostError(self._host, f"is lost: {error}") from None

    async def readline(self) -> bytes:
        import asyncssh  # noqa: PLC0415

        try:
            line: bytes = await self._process.stdout.readline()
        except asyncssh.Error as error:
            raise HostError(self._host, f"is lost: {error}") from None
        return line

    async def close(self) -> str:
        import asyncssh  # noqa: PLC0415

        try:
            self._process.stdin.write_eof()
            done = await self._process.wait()
        except asyncssh.Error as error:
            return str(error)
        return _last_line(done.stderr or b"")


def _last_line(messages: object) -> str:
    data = messages if isinstance(messages, bytes) else b""
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else ""
