"""Shapes what this machine sends from given TCP source ports, each after a trace of its own; needs root.

    sudo python network_shaping/shape_source_ports.py --interface eth0 50001=network_shaping/lte_like_mbps.txt 50002=8

As the Jellyfish authors did (RTSS 2022): one class a port in the queue of the interface, uplink only. Everything else that
the interface sends is left alone. Ctrl-C ends it, and the interface is as it was.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

from moonjelly.core.errors import MoonjellyError, UsageError
from moonjelly.links.shapers.replay import rate_log
from moonjelly.links.shapers.source_ports import replay_source_ports
from moonjelly.links.traces import LinkTrace, constant_trace, read_trace


def parse_link(text: str) -> tuple[int, LinkTrace]:
    """Reads PORT=MBPS or PORT=FILE.

    Raises:
        UsageError: if it is neither.
    """
    port, equals, rate = text.partition("=")
    if not (equals and port.isascii() and port.isdigit()):
        raise UsageError(f"{text!r}: must be PORT=MBPS or PORT=FILE")
    try:
        mbps = float(rate)
    except ValueError:
        return int(port), read_trace(Path(rate))
    try:
        return int(port), constant_trace(mbps)
    except ValueError as error:
        raise UsageError(f"{text!r}: {error}") from None


async def shape(interface: str, links: dict[int, LinkTrace], out_dir: Path) -> None:
    """Shapes until it is told to end."""
    until = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, until.set)
    with contextlib.ExitStack() as stack:
        zero_ms = time.monotonic_ns() / 1e6
        logs = {
            port: stack.enter_context(rate_log(out_dir, f"port-{port}", zero_ms)) for port in links
        }
        sys.stderr.write(f"shaping {len(links)} ports of {interface}; Ctrl-C ends it\n")
        await replay_source_ports(interface, links, logs, until)


def main() -> int:
    """Runs until Ctrl-C; 2 if the request is wrong, 1 if the kernel refuses."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--interface", required=True, help="through which the server is reached")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the logs (here)")
    parser.add_argument("links", nargs="+", metavar="PORT=MBPS|FILE")
    arguments = parser.parse_args()
    try:
        links = dict(parse_link(text) for text in arguments.links)
        if len(links) < len(arguments.links):
            raise UsageError("links: a port is there twice")
        asyncio.run(shape(arguments.interface, links, arguments.out))
    except (MoonjellyError, OSError) as error:
        sys.stderr.write(f"shape_source_ports: error: {error}\n")
        return error.exit_status if isinstance(error, MoonjellyError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
