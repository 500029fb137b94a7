"""Network namespaces of a laboratory: one per link, one for the server, joined by veth pairs.

    this namespace          mj-RUN-0, mj-RUN-1, ..       mj-RUN-server
    camera ── mjRUNc0 ──── c │ routes, shapes │ s ──────── s0  server

The link's own namespace is a router: what it loses or holds up is neither end's own, so that TCP at
both ends learns of it as it would of a bad radio link.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import RunError

NAMESPACES_DIR = Path("/run/netns")
INTERFACES_DIR = Path("/sys/class/net")

NETWORK = ipaddress.IPv4Network(
    "198.18.0.0/15"
)  # set aside for tests of network devices (RFC 2544)
_ADDRESSES_PER_LINK = 8
MAX_LINKS = 256
NUM_BLOCKS = NETWORK.num_addresses // (_ADDRESSES_PER_LINK * MAX_LINKS)

FAR_DEVICE = "s"
NEAR_DEVICE = "c"
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class LinkPlace:
    """Names and addresses of one link.

    Attributes:
        run_id: of the laboratory.
        block: of addresses; differs between the laboratories of a machine.
    """

    run_id: str
    block: int
    number: int

    @property
    def namespace(self) -> str:
        """The router's."""
        return f"{namespace_prefix(self.run_id)}{self.number}"

    @property
    def client_device(self) -> str:
        """The client's interface, in the namespace that the laboratory was made from."""
        return f"{device_prefix(self.run_id)}{self.number}"

    @property
    def server_device(self) -> str:
        """The server's interface, in the server's namespace."""
        return f"{FAR_DEVICE}{self.number}"

    @property
    def client_address(self) -> str:
        """Where the client's connections come from."""
        return self._address(1)

    @property
    def server_address(self) -> str:
        """Where the link's client finds the server."""
        return self._address(6)

    def near_lines(self) -> list[str]:
        """For `ip -batch` in the client's namespace: its interface."""
        return [
            f"netns add {self.namespace}",
            f"link add {self.client_device} type veth peer name {NEAR_DEVICE} netns {self.namespace}",
            f"addr add {self.client_address}/30 dev {self.client_device}",
            _up_line(self.client_device),
        ]

    def router_lines(self) -> list[str]:
        """For `ip -batch` in the link's namespace: both its interfaces."""
        server_namespace = server_namespace_of(self.run_id)
        return [
            f"link add {FAR_DEVICE} type veth peer name {self.server_device} netns {server_namespace}",
            f"addr add {self._address(2)}/30 dev {NEAR_DEVICE}",
            f"addr add {self._address(5)}/30 dev {FAR_DEVICE}",
            _up_line(NEAR_DEVICE),
            _up_line(FAR_DEVICE),
        ]

    def far_lines(self) -> list[str]:
        """For `ip -batch` in the server's namespace: its interface, and the way back."""
        return [
            f"addr add {self.server_address}/30 dev {self.server_device}",
            _up_line(self.server_device),
            f"route add {self._address(0)}/30 via {self._address(5)}",
        ]

    def route_line(self) -> str:
        """For `ip` in the client's namespace: the way to the server."""
        return f"route add {self._address(4)}/30 via {self._address(2)}"

    def _address(self, number: int) -> str:
        first = (self.block * MAX_LINKS + self.number) * _ADDRESSES_PER_LINK
        return str(NETWORK[first + number])


def namespace_prefix(run_id: str) -> str:
    """How the names of a laboratory's namespaces begin."""
    return f"mj-{run_id}-"


def device_prefix(run_id: str) -> str:
    """How the names of a laboratory's interfaces outside of its namespaces begin."""
    return f"mj{run_id}c"


def server_namespace_of(run_id: str) -> str:
    """Where a laboratory's server runs."""
    return f"{namespace_prefix(run_id)}server"


def build(places: Sequence[LinkPlace]) -> None:
    """Makes the namespaces of a laboratory, with links that are not shaped yet; RunError if the kernel refuses."""
    server_namespace = server_namespace_of(places[0].run_id)
    near = [line for place in places for line in place.near_lines()]
    run_ip([f"netns add {server_namespace}", *near])
    for place in places:
        run_ip(place.router_lines(), place.namespace)
        run_in(place.namespace, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    far = [line for place in places for line in place.far_lines()]
    run_ip(["link set lo up", *far], server_namespace)
    run_ip([place.route_line() for place in places])


def remove(run_id: str) -> None:
    """Removes what is there of a laboratory, whoever made it."""
    devices = [path.name for path in INTERFACES_DIR.glob(f"{device_prefix(run_id)}*")]
    names = [path.name for path in NAMESPACES_DIR.glob(f"{namespace_prefix(run_id)}*")]
    lines = [f"link del {device}" for device in devices] + [f"netns del {name}" for name in names]
    if lines:  # one that is gone meanwhile is no reason to leave the others
        run_tool(["ip", "-force", "-batch", "-"], "\n".join(lines), is_checked=False)


def run_ip(lines: Sequence[str], namespace: str | None = None) -> None:
    """Carries out lines of `ip -batch`, in a namespace if one is given.

    Raises:
        RunError: if the kernel refuses, or there is no `ip`.
    """
    where = ["-netns", namespace] if namespace else []
    run_tool(["ip", *where, "-batch", "-"], "\n".join(lines))


def run_in(namespace: str, command: Sequence[str]) -> str:
    """Runs a command in a namespace and returns what it prints; RunError if it fails."""
    return run_tool([*enter_command(namespace), *command])


def enter_command(namespace: str) -> tuple[str, ...]:
    """What to put before a command, so that it runs in a namespace."""
    return ("nsenter", f"--net={NAMESPACES_DIR / namespace}")


def listener_in(namespace: str, address: tuple[str, int]) -> socket.socket:
    """Listens in a namespace, for a process that stays where it is; RunError if the kernel refuses."""

    def listen() -> socket.socket:
        setns = ctypes.CDLL(None, use_errno=True).setns  # moves the thread that calls it
        with (NAMESPACES_DIR / namespace).open("rb") as file:
            if setns(file.fileno(), _CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        listener = socket.create_server(address)
        listener.setblocking(False)
        return listener

    try:
        with ThreadPoolExecutor(1, "enter namespace") as pool:
            return pool.submit(listen).result()
    except OSError as error:
        raise RunError(f"namespace {namespace}: {error.strerror}") from None


def _up_line(device: str) -> str:
    # Segments of one packet each: what is shaped is what would be on a wire.
    return f"link set {device} up gso_max_segs 1"


def run_tool(command: Sequence[str], text: str = "", *, is_checked: bool = True) -> str:
    """Runs a tool on some input and returns what it prints; RunError if it is not there, or fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RunError(f"{command[0]}: is not installed; kernel links need iproute2") from None
    if done.returncode and is_checked:
        reason = " ".join(done.stderr.split()) or f"ended with status {done.returncode}"
        raise RunError(f"{command[0]}: {reason}")
    return done.stdout
