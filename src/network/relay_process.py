"""The relay as a process of its own, so that it never waits for the program that uses it.

`python -m moonjelly.network.relay_process` reads its links as one line of JSON, answers with one line
that holds their ports, and runs until its input ends: it never outlives whoever started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..core.clock import MonotonicClock
from ..core.errors import RunError
from .relay import Link, LinkConfig
from .traces import LinkTrace

_END_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay that runs.

    Attributes:
        ports: where clients connect on loopback, by name of the link.
    """

    ports: dict[str, int]

    def address(self, name: str) -> str:
        """HOST:PORT of a link, for clients."""
        return f"127.0.0.1:{self.ports[name]}"


@contextlib.contextmanager
def start_relay(
    links: Sequence[LinkConfig], out_dir: Path, zero_ms: float | None = None
) -> Iterator[Relay]:
    """Runs links in a process; what their uplinks were set to is logged in `link-<name>.csv`.

    Args:
        links: the links, of different names.
        out_dir: existing folder for the logs, whose columns are at_ms and rate_kbps.
        zero_ms: time of the monotonic clock from which at_ms counts; now, if it is not given.

    Raises:
        ValueError: if two links share a name.
        RunError: if the relay cannot start.
    """
    if len({link.name for link in links}) != len(links):
        raise ValueError(f"links={[link.name for link in links]}: names must differ")
    request = {
        "links": [dataclasses.asdict(link) for link in links],
        "out_dir": str(out_dir.resolve()),
        "zero_ms": MonotonicClock().now_ms() if zero_ms is None else zero_ms,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        if process.stdin is None or process.stdout is None:
            raise RunError("the relay of the links has no pipes")
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        reply = process.stdout.readline()
        if not reply:
            raise RunError("the relay of the links did not start; its message stands above")
        try:
            yield Relay(json.loads(reply))
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


async def _run(request: dict[str, Any]) -> None:
    """Runs the links until standard input ends."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        ports = {}
        for fields in request["links"]:
            for way in ("uplink", "downlink"):
                fields[way] = None if fields[way] is None else LinkTrace(**fields[way])
            config = LinkConfig(**fields)
            path = Path(request["out_dir"]) / f"link-{config.name}.csv"
            log = stack.enter_context(path.open("w", encoding="utf-8"))
            log.write("at_ms,rate_kbps\n")
            link = Link(config, _RateLog(log, request["zero_ms"]))
            await stack.enter_async_context(link)
            ports[config.name] = link.port
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        has_ended = asyncio.Event()
        loop.add_reader(sys.stdin, has_ended.set)
        await has_ended.wait()
        loop.remove_reader(sys.stdin)


class _RateLog:
    """Writes the rates of one link; a full disk does not stop the link."""

    def __init__(self, file: IO[str], zero_ms: float) -> None:
        self._file = file
        self._zero_ms = zero_ms

    def __call__(self, now_ms: float, rate_kbps: float) -> None:
        with contextlib.suppress(OSError):
            self._file.write(f"{now_ms - self._zero_ms:.3f},{rate_kbps:.3f}\n")
            self._file.flush()


def main() -> int:
    """Runs the relay; an interrupt from the terminal is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(_run(json.loads(sys.stdin.readline())))
    except OSError as error:
        sys.stderr.write(f"relay: error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
