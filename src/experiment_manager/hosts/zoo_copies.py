"""Zoos of the user's own at the server's host: copied once a session, checked there, removed with the lease."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import RunError, UsageError
from ...files.shipped import shipped_folder
from ...zoos import OpenedZoo, zoo_files
from ..live import has_networks, zoo_of
from ..matrix import RunConfig
from .agent import CHECK, GO
from .agent_call import AgentCall, MakeRequest
from .port import Connection

MAX_BYTES = 4_000_000_000
RUN = "zoos"  # their folder there lies beside those of runs
CHECK_LIMIT_S = 30.0
_ARRIVE_LIMIT_S = 300.0  # to hash them


@dataclass(frozen=True, slots=True)
class _File:
    source: Path
    sha256: str


class ZooCopies:
    """What some runs need of zoos that do not come with Moonjelly, and the agent that keeps it for them."""

    def __init__(self, runs: Sequence[RunConfig]) -> None:
        """Reads the files; copies nothing yet.

        Raises:
            UsageError: if one cannot be read, or they are too large.
        """
        self._places: dict[Path, str] = {}
        self._files: dict[str, _File] = {}
        self._size_bytes = 0
        with_weights: dict[Path, bool] = {}
        zoos: dict[Path, OpenedZoo] = {}
        for run in runs:
            zoo = zoo_of(run)
            if zoo.folder.parent != shipped_folder("profiles"):
                zoos[zoo.folder] = zoo
                asked = with_weights.get(zoo.folder, False)
                with_weights[zoo.folder] = asked or has_networks(run)
        for number, (folder, zoo) in enumerate(zoos.items()):
            self._places[folder] = f"{number}/{zoo.name}"
            self._read(zoo, with_weights[folder])
        self._stack = AsyncExitStack()
        self._call: AgentCall | None = None

    def _read(self, zoo: OpenedZoo, with_weights: bool) -> None:
        for path in zoo_files(zoo, with_weights=with_weights):
            try:
                self._size_bytes += path.stat().st_size
                if self._size_bytes > MAX_BYTES:
                    raise UsageError(
                        f"{zoo.folder}: zoos of your own have more than {MAX_BYTES / 1e9:g} GB: must be "
                        f"less to be copied to a host"
                    )
                with path.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise UsageError(f"{path}: cannot be copied to a host: {error.strerror}") from None
            self._files[f"{self._places[zoo.folder]}/{path.name}"] = _File(path, sha256)

    async def keep(self, connection: Connection, make_request: MakeRequest) -> None:
        """Copies the files to a host, unless they are kept there already.

        Raises:
            HostError: if the host is lost.
            RunError: if they do not fit there, or do not arrive as they were read.
        """
        if not self._files or await self._is_kept(connection):
            return
        await self.close()
        hashes = {name: file.sha256 for name, file in self._files.items()}
        request = make_request(connection, "keep", RUN, files=hashes, size_bytes=self._size_bytes)
        call = await self._stack.enter_async_context(AgentCall(connection, request))
        await call.expect("ready", CHECK_LIMIT_S)
        for name, file in self._files.items():
            try:
                await connection.put(file.source, request.folder / name)
            except OSError as error:
                why = error.strerror or error
                raise RunError(
                    f"{call.host}: {file.source} cannot be copied there: {why}"
                ) from None
        await call.send(GO)
        await call.expect("done", _ARRIVE_LIMIT_S)
        self._call = call

    async def _is_kept(self, connection: Connection) -> bool:
        """Whether the agent that keeps them is still at work; an agent that was not asked for a while has left."""
        if self._call is None or self._call.connection is not connection:
            return False
        try:
            await self._call.send(CHECK)
            await self._call.expect("done", CHECK_LIMIT_S)
        except RunError:
            return False
        return True

    def there(self, zoo: OpenedZoo) -> str | None:
        """The folder of a zoo's copy, as the server there takes it; None if it comes with Moonjelly."""
        place = self._places.get(zoo.folder)
        if place is None or self._call is None:
            return None
        return str(self._call.request.folder / place)

    async def close(self) -> None:
        """Lets the agent go, which removes the copies."""
        self._call = None
        await self._stack.aclose()
