"""A machine that takes part in an experiment, and the file that names them; docs/experiments.md."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

import yaml

from ...core.checks import echo, require_id
from ...core.errors import UsageError
from ...files.yaml_file import entries, read_flag, read_mapping, read_text, read_whole

LOOPBACK = "127.0.0.1"
MAX_HOSTS = 64
_ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9.:_-]{0,254}")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}")
_OTHERS_MAY_USE = 0o077


class Role(StrEnum):
    """What a host does in a run."""

    SERVER = "server"
    CLIENTS = "clients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine and how to get there.

    Attributes:
        name: for people, logs and file names.
        role: what it does.
        root: absolute folder there for the files of runs; made where it is missing.
        address: name or IP address of its SSH server; empty for this machine, without SSH.
        port: of the SSH server.
        user: to log in as.
        key: private key file; empty takes keys from an SSH agent.
        known_hosts: file with the host's public key.
        python: interpreter there that has Moonjelly.
        listen: of a server: address where the hosts of the cameras reach it.
    """

    name: str
    role: Role
    root: str
    address: str = ""
    port: int = 22
    user: str = ""
    key: str = ""
    known_hosts: str = ""
    python: str = sys.executable
    listen: str = LOOPBACK

    @property
    def is_here(self) -> bool:
        """Whether it is this machine."""
        return not self.address

    def __str__(self) -> str:
        return f"host {self.name}" + ("" if self.is_here else f" ({self.address}:{self.port})")


def read_hosts(path: Path) -> tuple[Host, ...]:
    """Reads and checks a hosts file: one server, at least one host for cameras.

    Raises:
        UsageError: naming file, line, key and rule.
    """
    root = read_mapping(path)
    names = [str(key.value) for key, _ in root.value if isinstance(key, yaml.ScalarNode)]
    hosts: list[Host] = []
    for name, node, line in entries(path, root, names):
        hosts.append(_HostReader(path, name, node, line).read())
        if len(hosts) > MAX_HOSTS:
            raise UsageError(f"{path}:{line}: {echo(name)}: must be at most {MAX_HOSTS} hosts")
    servers = [host for host in hosts if host.role is Role.SERVER]
    if len(servers) != 1 or len(hosts) == 1:
        raise UsageError(
            f"{path}: has {len(servers)} hosts of role server and {len(hosts) - len(servers)} of "
            f"role clients: must be one server and at least one for clients"
        )
    for host in hosts:
        if servers[0].listen == LOOPBACK and host.address != servers[0].address:
            raise UsageError(
                f"{path}: {servers[0].name}: listen: must be given where {host.name} can reach it"
            )
    return tuple(hosts)


class _HostReader:
    """Reads one entry of a hosts file."""

    def __init__(self, path: Path, name: str, node: yaml.Node, line: int) -> None:
        self._path = path
        self._name = name
        self._node = node
        self._line = line
        self._lines: dict[str, int] = {}

    def read(self) -> Host:
        try:
            require_id("name", self._name)
        except ValueError as error:
            raise UsageError(f"{self._path}:{self._line}: {error}") from None
        if not isinstance(self._node, yaml.MappingNode):
            raise UsageError(f"{self._path}:{self._line}: {self._name}: must be a mapping")
        values: dict[str, object] = {}
        is_insecure = False
        for key, node, line in entries(self._path, self._node, (*_READERS, "insecure")):
            self._lines[key] = line
            try:
                if key == "insecure":
                    is_insecure = read_flag(node)
                else:
                    values[key] = _READERS[key](node)
            except ValueError as error:
                self._fail(key, str(error))
        self._check_required(values)
        host = Host(name=self._name, **values)  # type: ignore[arg-type]
        if host.role is not Role.SERVER and (is_insecure or "listen" in values):
            self._fail("listen" if "listen" in values else "insecure", "is for the server alone")
        if not is_loopback(host.listen) and not is_insecure:
            self._fail(
                "listen",
                f"{echo(host.listen)}: others can reach it, and nothing is encrypted or "
                f"authenticated; say insecure: true to serve there all the same",
            )
        return host

    def _check_required(self, values: Mapping[str, object]) -> None:
        over_ssh = ("user", "known_hosts", "python")
        for key in ("role", "root", *(over_ssh if "address" in values else ())):
            if key not in values:
                self._fail(key, "must be given")
        if "address" not in values:
            for key in ("port", "key", *over_ssh):
                if key in values:
                    self._fail(key, "is for hosts with an address")

    def _fail(self, key: str, problem: str) -> NoReturn:
        line = self._lines.get(key, self._line)
        raise UsageError(f"{self._path}:{line}: {self._name}: {key}: {problem}") from None


def is_loopback(address: str) -> bool:
    """Whether only its own machine can reach an address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _read_role(node: yaml.Node) -> Role:
    text = read_text(node)
    if text not in set(Role):
        raise ValueError(f"{echo(text)}: must be {' or '.join(Role)}")
    return Role(text)


def _read_matching(pattern: re.Pattern[str], rule: str) -> Callable[[yaml.Node], str]:
    def read(node: yaml.Node) -> str:
        text = read_text(node)
        if not pattern.fullmatch(text):
            raise ValueError(f"{echo(text)}: must be {rule}")
        return text

    return read


def _read_port(node: yaml.Node) -> int:
    port = read_whole(node)
    if not 1 <= port <= 65535:  # noqa: PLR2004 as TCP has it
        raise ValueError(f"{port}: must be 1 to 65535")
    return port


def _read_remote_path(node: yaml.Node) -> str:
    text = read_text(node)
    if not text.startswith("/") or "\0" in text or ".." in text.split("/") or text.strip("/") == "":
        raise ValueError(f"{echo(text)}: must be an absolute path below the root folder")
    return text


def _read_known_hosts(node: yaml.Node) -> str:
    path = Path(read_text(node)).expanduser()
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError(f"{echo(str(path))}: must be a file that can be read")
    return str(path.absolute())


def _read_key(node: yaml.Node) -> str:
    path = _read_known_hosts(node)
    if Path(path).stat().st_mode & _OTHERS_MAY_USE:
        raise ValueError(f"{echo(path)}: others may use it; chmod 600 makes it private")
    return path


_READERS: Mapping[str, Callable[[yaml.Node], object]] = {
    "role": _read_role,
    "address": _read_matching(_ADDRESS, "a host name or an IP address"),
    "port": _read_port,
    "user": _read_matching(_USER, "a user name"),
    "key": _read_key,
    "known_hosts": _read_known_hosts,
    "python": _read_remote_path,
    "root": _read_remote_path,
    "listen": _read_matching(_ADDRESS, "a host name or an IP address"),
}
assert {item.name for item in dataclasses.fields(Host)} == {"name", *_READERS}  # noqa: S101
