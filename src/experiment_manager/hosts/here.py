"""This machine as a host."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from .host import Host
from .port import MAX_LINE_BYTES, AgentPipe


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

    async def close(self) -> None:
        """See `Connection`."""
        return
