"""A machine that takes part in an experiment, and the file that names them; docs/experiments.md."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from ...core.addresses import is_loopback
from ...core.checks import echo, require_id
from ...core.limits import Range
from ...core.options import check_ranges, option
from ...files.document import ReadBy
from ...files.yaml_file import read_yaml

LOOPBACK = "127.0.0.1"
MAX_HOSTS = 64
_OTHERS_MAY_USE = 0o077
_OVER_SSH = ("user", "known_hosts", "python")


def _matching(pattern: str, rule: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{echo(text)}: must be {rule}")
        return text

    return check


def _remote_path(text: str) -> str:
    if not text.startswith("/") or "\0" in text or ".." in text.split("/") or text.strip("/") == "":
        raise ValueError(f"{echo(text)}: must be an absolute path below the root folder")
    return text


def _file_here(text: str) -> str:
    path = Path(text).expanduser()
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError(f"{echo(str(path))}: must be a file that can be read")
    return str(path.absolute())


def _private_file(text: str) -> str:
    path = _file_here(text)
    if Path(path).stat().st_mode & _OTHERS_MAY_USE:
        raise ValueError(f"{echo(path)}: others may use it; chmod 600 makes it private")
    return path


Address = Annotated[
    str, ReadBy(_matching(r"[A-Za-z0-9_][A-Za-z0-9.:_-]{0,254}", "a host name or an IP address"))
]
User = Annotated[str, ReadBy(_matching(r"[A-Za-z_][A-Za-z0-9._-]{0,63}", "a user name"))]
RemotePath = Annotated[str, ReadBy(_remote_path)]


class Role(StrEnum):
    """What a host does in a run."""

    SERVER = "server"
    CLIENTS = "clients"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine and how to get there.

    Attributes:
        root: absolute folder there for the files of runs; made where it is missing.
        name: for people, logs and file names; in the file, what it stands under.
        address: name or IP address of its SSH server; empty for this machine, without SSH.
        user: to log in as.
        key: private key file; empty takes keys from an SSH agent.
        known_hosts: file with the host's public key.
        python: interpreter there that has Moonjelly.
        listen: of a server: address where the hosts of the cameras reach it.
        insecure: of a server: whether others than these hosts may be able to reach it.
    """

    role: Role
    root: RemotePath
    name: str = ""
    address: Address = ""
    port: int = option(22, limits=Range(1, 65535))
    user: User = ""
    key: Annotated[str, ReadBy(_private_file)] = ""
    known_hosts: Annotated[str, ReadBy(_file_here)] = ""
    python: RemotePath = sys.executable
    listen: Address = LOOPBACK
    insecure: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.role is not Role.SERVER and (self.insecure or self.listen != LOOPBACK):
            wrong = "insecure=True" if self.insecure else f"listen={echo(self.listen)}"
            raise ValueError(f"{wrong}: is for the server alone")
        if not is_loopback(self.listen) and not self.insecure:
            raise ValueError(
                f"listen={echo(self.listen)}: others can reach it, and nothing is encrypted or "
                f"authenticated; say insecure: true to serve there all the same"
            )

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
    document = read_yaml(path)
    read = document.read(dict[str, Host])
    hosts = tuple(replace(host, name=name) for name, host in read.items())
    if len(hosts) > MAX_HOSTS:
        raise document.error((), f"has {len(hosts)} hosts: must be at most {MAX_HOSTS}")
    for name in read:
        given = document.data[name]
        with document.blamed((name,)):
            require_id("name", name)
        for key in _OVER_SSH if "address" in given else ():
            if key not in given:
                raise document.error((name, key), "must be given")
        for key in ("port", "key", *_OVER_SSH) if "address" not in given else ():
            if key in given:
                raise document.error((name, key), "is for hosts with an address")
    servers = [host for host in hosts if host.role is Role.SERVER]
    if len(servers) != 1 or len(hosts) == 1:
        raise document.error(
            (),
            f"has {len(servers)} hosts of role server and {len(hosts) - len(servers)} of "
            f"role clients: must be one server and at least one for clients",
        )
    for host in hosts:
        if servers[0].listen == LOOPBACK and host.address != servers[0].address:
            rule = f"must be given where {host.name} can reach it"
            raise document.error((servers[0].name, "listen"), rule)
    return hosts
