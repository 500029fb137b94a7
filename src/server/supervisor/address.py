"""Whether a server may listen where it is told to."""

from __future__ import annotations

import errno
import socket

from ...core.errors import RunError


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
            raise RunError(
                f"port={port}: address in use at {host}; choose another --port"
            ) from error
        raise RunError(f"host={host}, port={port}: {error.strerror}") from error
