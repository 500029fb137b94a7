"""`moonjelly tenants load`: clients of a shared device."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
from collections.abc import Sequence

from ..client.connection import check_address
from ..core.checks import require_count, require_not_negative, require_positive
from ..core.errors import RunError, UsageError
from ..scheduling.sharing.client_word import FORM, ClientWord, parse_client
from .load import LoadResult, run_loads
from .serve_command import DEFAULT_HOST, DEFAULT_PORT, option_error
from .signals import heard_signals

MOST_THREADS = 100
MOST_SECONDS = 86_400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add = parser.add_argument
    add(
        "clients",
        nargs="+",
        metavar=FORM,
        help="what each runs: a kernel profile of the server's, the clock it asks for, and a priority of -20 "
        "(highest) to 19, by default 0",
    )
    add(
        "--server",
        default=f"{DEFAULT_HOST}:{DEFAULT_PORT}",
        metavar="HOST:PORT",
        help="(%(default)s)",
    )
    add(
        "--threads",
        type=int,
        default=2,
        metavar="N",
        help="of each client; each asks for an inference, waits for it, and asks again (%(default)s)",
    )
    add("--delay-s", type=float, default=0.0, metavar="S", help="to wait first (%(default)g)")
    add("--seconds", type=float, metavar="S", help="how long to ask; until Ctrl-C, if not given")


def run(arguments: argparse.Namespace) -> int:
    """Asks until the time is over, or a signal; returns the exit status."""
    try:
        words = [parse_client(word) for word in arguments.clients]
    except ValueError as error:
        raise UsageError(str(error)) from None
    try:
        address = check_address(arguments.server)
        require_count("--threads", arguments.threads, MOST_THREADS)
        require_not_negative("--delay-s", arguments.delay_s, MOST_SECONDS)
        if arguments.seconds is not None:
            require_positive("--seconds", arguments.seconds, MOST_SECONDS)
    except ValueError as error:
        raise option_error(error) from None
    results = asyncio.run(_run(arguments, address, words))
    for word, result in zip(arguments.clients, results, strict=False):
        sys.stdout.write(f"entity {result.eid}, model {result.mid}: {word}: {_text(result)}\n")
    failure = next((one.failure for one in results if one.failure), "")
    if failure:
        raise RunError(failure)
    return 0


def _text(result: LoadResult) -> str:
    latencies_ms = result.latencies_ms
    took = f", {statistics.median(latencies_ms):.1f} ms each (median)" if latencies_ms else ""
    return f"{len(latencies_ms)} inferences{took}"


async def _run(
    arguments: argparse.Namespace, address: str, words: Sequence[ClientWord]
) -> list[LoadResult]:
    """Waits and loads; nothing if it was told to stop before it began."""
    stop = asyncio.Event()
    with heard_signals(stop.set):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), arguments.delay_s)
            return []
        return await run_loads(address, words, arguments.threads, arguments.seconds, stop)
