"""The shaper as a process of its own, so that it never waits for the program that uses it.

It reads lines of JSON: first which shaper it is to be, for links of which names; then the links. To each
it answers with a line. It runs until its input ends: it never outlives whoever started it, and whatever
it made goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from ...core.errors import MoonjellyError
from ...files.document import Document
from .kernel import kernel_shaper
from .link import LinkConfig
from .relay import Link
from .replay import Shaper, rate_log

_MAX_LINE_BYTES = 1 << 28  # a thousand links with long traces


async def _serve() -> None:
    """Answers requests until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_MAX_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    task = asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    async with AsyncExitStack() as stack:
        try:
            if not (line := await reader.readline()):
                return
            shaper = _open_shaper(json.loads(line), stack)
            _answer(
                {"server_command": shaper.server_command, "server_options": shaper.server_options}
            )
            if not (line := await reader.readline()):
                return
            _answer({"addresses": await _open_links(shaper, json.loads(line), stack)})
        except (MoonjellyError, OSError) as error:
            _answer({"error": str(error), "status": getattr(error, "exit_status", 1)})
            return
        await reader.read()


def _open_shaper(request: dict[str, Any], stack: AsyncExitStack) -> Shaper:
    if request["shaper"] == "kernel":
        return stack.enter_context(kernel_shaper(request["names"], leads_out=request["leads_out"]))
    return Shaper((), (), Link)  # needs no rights


async def _open_links(
    shaper: Shaper, request: dict[str, Any], stack: AsyncExitStack
) -> dict[str, str]:
    """Starts the links; returns where the client of each connects."""
    addresses = {}
    for config in Document(None, request["links"]).read(tuple[LinkConfig, ...]):
        log = stack.enter_context(
            rate_log(Path(request["out_dir"]), config.name, request["zero_ms"])
        )
        link = await stack.enter_async_context(shaper.open_link(config, log))
        addresses[config.name] = link.address
    return addresses


def _answer(reply: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever asked is gone: the input ends too
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def main() -> int:
    """Runs the shaper; an interrupt from the terminal is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(_serve())
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    except MoonjellyError as error:
        sys.stderr.write(f"links: error: {error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
