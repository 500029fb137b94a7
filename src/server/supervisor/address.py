"""Whether a server may listen where it is told to."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from ...core.errors import RunError

IN_USE = "port={port}: address in use at {host}; choose another --port"


@contextmanager
def held_address(host: str, port: int) -> Iterator[None]:
    """Keeps others of our kind off an address, whose listening sockets would share it, before there is one that listens.

    Raises:
        RunError: if it is taken, or not ours.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mark:
        try:
            if port:
                mark.bind(
                    f"\0moonjelly serve {host} {port}"
                )  # a name of this network alone, gone with us
        except OSError:
            raise RunError(IN_USE.format(host=host, port=port)) from None
        check_address(host, port)
        yield


def check_address(host: str, port: int) -> None:
    """Tries the address before anything is started; another server's sharing does not count.

    Raises:
        RunError: if it is taken, or not ours.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise RunError(f"host={host}: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise RunError(IN_USE.format(host=host, port=port)) from error
        raise RunError(f"host={host}, port={port}: {error.strerror}") from error
