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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from moonjelly.core.checks import echo
from moonjelly.core.errors import MoonjellyError, UsageError
from moonjelly.links.shapers.link import FaultKind, LinkSchedule, Way
from moonjelly.links.shapers.namespaces import run_tool
from moonjelly.links.shapers.replay import OnUplinkRate, Replay, rate_log
from moonjelly.links.shapers.traffic_control import (
    HandOver,
    set_now,
    token_bucket,
    traffic_control,
)
from moonjelly.links.traces import LinkTrace, constant_trace, read_trace

HANDLE = "6d6a:"
"""Of our htb: tells it from anybody else's queue."""
MAX_PORTS = 1000


@contextlib.contextmanager
def shared_interface(device: str, ports: Sequence[int]) -> Iterator[None]:
    """Prepares an interface of this namespace, and takes everything back at the end.

    What an earlier run left when it was killed is removed first. Other traffic of the interface is not limited.

    Raises:
        UsageError: if a port is none, or is there twice.
        RunError: if the interface has a queue of somebody else's, or the kernel refuses.
    """
    for port in ports:
        if not 0 < port <= 65535 or list(ports).count(port) > 1:  # noqa: PLR2004
            raise UsageError(f"port={echo(port)}: must be 1 to 65535, each once")
    if not 1 <= len(ports) <= MAX_PORTS:
        raise UsageError(f"ports={len(ports)}: must be 1 to {MAX_PORTS}")
    take_back(device)
    set_now([f"qdisc add dev {device} root handle {HANDLE} htb default 0"])
    try:
        yield
    finally:
        take_back(device)


def take_back(device: str) -> None:
    """Removes our queue from an interface, if it is there; RunError if there is no such interface."""
    if f"qdisc htb {HANDLE} " in run_tool(["tc", "qdisc", "show", "dev", device, "root"]):
        set_now([f"qdisc del dev {device} root"])


def class_lines(device: str, handle: str, number: int, rate_kbps: float) -> list[str]:
    """Lets a class (from 1) of an interface's htb send at a rate (1000 bit/s of TCP payload); 0 loses all."""
    parent = f"{handle}{number:x}"
    rate_bps, burst_bytes, queue_bytes = token_bucket(rate_kbps)
    leaf = f"bfifo limit {queue_bytes}" if rate_kbps else "blackhole"
    return [
        f"class replace dev {device} parent {handle} classid {parent} htb "
        f"rate {rate_bps}bit ceil {rate_bps}bit burst {burst_bytes} cburst {burst_bytes} quantum 1514",
        f"qdisc replace dev {device} parent {parent} {leaf}",
    ]


def source_port_line(device: str, handle: str, number: int, port: int) -> str:
    """Puts the TCP segments of a source port into a class of an interface's htb."""
    return (
        f"filter add dev {device} parent {handle} protocol ip prio 1 u32 "
        f"match ip protocol 6 0xff match ip sport {port} 0xffff flowid {handle}{number:x}"
    )


class SourcePortLink:
    """The uplink of whoever sends from one TCP source port; the way back is not shaped."""

    address = ""  # clients connect to the server itself

    def __init__(
        self, device: str, number: int, port: int, hand_over: HandOver,
        on_uplink_rate: OnUplinkRate,
    ) -> None:  # fmt: skip
        self._device = device
        self._number = number
        self._hand_over = hand_over
        self._on_uplink_rate = on_uplink_rate
        self._filter = [source_port_line(device, HANDLE, number, port)]

    def set_rate_kbps(self, way: Way, rate_kbps: float) -> None:
        """Sets the rate of the uplink (1000 bit/s); 0 is an outage."""
        if way is Way.DOWN:
            return
        self._hand_over(class_lines(self._device, HANDLE, self._number, rate_kbps) + self._filter)
        self._filter = []  # once is enough
        self._on_uplink_rate(time.monotonic_ns() / 1e6, rate_kbps)

    async def break_connections(self, kind: FaultKind) -> None:
        """Refuses."""
        raise UsageError(f"kind={kind}: cannot be done to links that share an interface")


async def replay_source_ports(
    device: str,
    traces: Mapping[int, LinkTrace],
    logs: Mapping[int, OnUplinkRate],
    until: asyncio.Event,
) -> None:
    """Shapes what leaves an interface, by source port, until an event is set.

    Raises:
        UsageError: if a port is none.
        RunError: if the kernel refuses.
    """
    with shared_interface(device, list(traces)), traffic_control() as hand_over:
        async with asyncio.TaskGroup() as group:
            running = []
            for number, (port, trace) in enumerate(traces.items(), 1):
                link = SourcePortLink(device, number, port, hand_over, logs[port])
                replay = Replay(LinkSchedule(uplink=trace), link)
                replay.start()
                running.append(group.create_task(replay.run(), name=f"port {port} replay"))
            await until.wait()
            for task in running:
                task.cancel()


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
