"""An agent at work on a host."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Self

from ...core.checks import echo
from ...core.errors import RunError
from . import agent
from .agent import Request
from .lease import RENEW
from .port import Connection, HostError

END_LIMIT_S = 15.0  # an agent stops a server in less
_RENEWALS_PER_LEASE = 4
MakeRequest = Callable[..., Request]
"""Makes the request for a connection, an action, the id of a run and the details of the action."""
_FILE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")


class AgentCall:
    """An agent at work: events come, commands go, the lease is renewed. An asynchronous context."""

    def __init__(self, connection: Connection, request: Request) -> None:
        """Prepares the call; the agent is started when it is entered."""
        self.host = connection.host
        self.connection = connection
        self.request = request

    async def __aenter__(self) -> Self:
        self._pipe = await self.connection.start([self.host.python, "-m", agent.MODULE])
        await self.send(json.dumps(dataclasses.asdict(self.request)))
        self._renewing = asyncio.create_task(self._renew(), name=f"lease {self.host.name}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._renewing
        await self._close()

    async def send(self, line: str) -> None:
        """Sends a line; HostError if the host or the agent is lost."""
        await self._pipe.write(line.encode() + b"\n")

    async def expect(
        self,
        event: str,
        limit_s: float,
        on_progress: Callable[[int, int], None] = lambda _answers, _in_time: None,
    ) -> dict[str, Any]:
        """Waits for an event; returns its fields.

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
        line = await self._pipe.readline()
        if not line.endswith(b"\n"):
            last = await self._close()
            raise HostError(self.host, f"its agent has ended{last and ': '}{last}")
        fields: dict[str, Any] = json.loads(line)
        return fields

    async def fetch(self, names: Sequence[str], target: Path) -> None:
        """Copies files of the run, relative to the request's folder, to a folder here; not all that the agent may name.

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
            await self.connection.fetch(self.request.folder.joinpath(*parts), path)

    async def _renew(self) -> None:
        with contextlib.suppress(HostError):  # whoever waits for an event hears of it
            while True:
                await asyncio.sleep(self.request.lease_s / _RENEWALS_PER_LEASE)
                await self.send(RENEW)

    async def _close(self) -> str:
        """Ends the agent's input, and waits a while for its end; a host that is lost is let go."""
        try:
            async with asyncio.timeout(END_LIMIT_S):
                return await self._pipe.close()
        except TimeoutError:
            return ""
