"""A host behind an SSH server."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ...core.errors import UsageError
from .host import Host
from .port import MAX_LINE_BYTES, AgentPipe, HostError

if TYPE_CHECKING:
    import asyncssh

CONNECT_LIMIT_S = 15.0
KEEPALIVE_PERIOD_S = 5.0
MAX_KEEPALIVES_LOST = 3


class SshConnection:
    """A host behind an SSH server; see `Connection`."""

    def __init__(self, host: Host, connection: asyncssh.SSHClientConnection) -> None:
        self.host = host
        self._connection = connection
        self._sftp: asyncssh.SFTPClient | None = None

    @property
    def is_open(self) -> bool:
        """See `Connection`."""
        return not self._connection.is_closed()

    @classmethod
    async def open(cls, host: Host) -> Self:
        """Logs in.

        Raises:
            HostError: if it cannot be reached, is not the one of `known_hosts`, or does not take the key.
            UsageError: if the library is not installed, or the key file cannot be used.
        """
        try:
            import asyncssh  # noqa: PLC0415 an extra, and takes half a second
        except ImportError:
            raise UsageError(f"{host}: needs the library asyncssh: pip install asyncssh") from None
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

    async def start(self, words: Sequence[str]) -> AgentPipe:
        """See `Connection`."""
        import asyncssh  # noqa: PLC0415

        try:
            process = await self._connection.create_process(
                shlex.join(words), encoding=None, window=MAX_LINE_BYTES
            )
        except (asyncssh.Error, OSError) as error:
            raise HostError(self.host, f"is lost: {error}") from None

        async def end() -> bytes:
            process.stdin.write_eof()
            done = await process.wait()
            return done.stderr if isinstance(done.stderr, bytes) else b""

        return AgentPipe(self.host, process, end, asyncssh.Error)

    async def fetch(self, source: Path, target: Path) -> None:
        """See `Connection`."""
        import asyncssh  # noqa: PLC0415

        try:
            sftp = await self._files()
            await sftp.get(str(source), str(target), follow_symlinks=False)
        except asyncssh.Error as error:
            raise HostError(self.host, f"{source} does not come: {error}") from None

    async def put(self, source: Path, target: Path) -> None:
        """See `Connection`."""
        import asyncssh  # noqa: PLC0415

        try:
            sftp = await self._files()
            await sftp.put(str(source), str(target), follow_symlinks=True)
        except asyncssh.Error as error:
            raise HostError(self.host, f"{target} cannot be written: {error}") from None

    async def _files(self) -> asyncssh.SFTPClient:
        if self._sftp is None:
            self._sftp = await self._connection.start_sftp_client()
        return self._sftp

    async def close(self) -> None:
        """See `Connection`."""
        self._connection.abort()
        with contextlib.suppress(Exception):  # it may have failed before
            await self._connection.wait_closed()
