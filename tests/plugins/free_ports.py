"""Ports for a server that comes later, or comes back."""

from __future__ import annotations

import random
import socket

LOWEST, HIGHEST = 20_000, 32_000
"""Below the ports that the kernel gives to connections, which may take any other at any moment."""


def free_port() -> int:
    """A port that nobody listens on, and that no connection gets meanwhile."""
    while True:
        port = random.SystemRandom().randint(LOWEST, HIGHEST)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
