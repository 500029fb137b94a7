"""Links that share an interface: each a class of the interface's htb, chosen by TCP source port.

This is how the Jellyfish authors shaped their clients (RTSS 2022): uplink only, on the clients' machine, to a server
anywhere. Nothing but the queue of one interface is changed, and it is put back at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

from ...core.checks import echo
from ...core.errors import UsageError
from ..traces import LinkTrace
from .link import FaultKind, LinkSchedule, Way
from .namespaces import run_tool
from .replay import OnUplinkRate, Replay
from .traffic_control import HandOver, class_lines, set_now, source_port_line, traffic_control

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
