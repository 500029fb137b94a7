"""How long TCP waits before it repeats what an outage has swallowed.

TCP doubles the time between repetitions, so that after an outage it may stay silent for as long again. For video under a deadline that
is a second outage. gRPC does not hand out its sockets, so they are found among the descriptors of this process.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

_TCP_RTO_MAX_MS = 44  # Linux 6.15 and later; `socket` has no name for it yet
LONGEST_WAIT_MS = 1000  # the least that Linux takes
_DESCRIPTORS = Path("/proc/self/fd")


def limit_waits(port: int) -> int:
    """Bounds the waits of this process's TCP sockets that listen at a port, or lead to one, to 1 s.

    What a listening socket accepts from then on is bounded too. Where the system does not know such a
    bound, nothing changes.

    Returns:
        How many sockets are bounded.
    """
    if socket.getdefaulttimeout() is not None:
        return 0  # `socket` would set it on whatever it looks at
    count = 0
    for path in _descriptors():
        # It may be closed meanwhile, or no TCP; or the system does not know such a bound.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(path.name))) as one:
            count += _limit(one, port)
    return count


def _descriptors() -> list[Path]:
    """This process's sockets."""
    found = []
    with contextlib.suppress(OSError):
        for path in _DESCRIPTORS.iterdir():
            with contextlib.suppress(OSError):
                if str(path.readlink()).startswith("socket:"):
                    found.append(path)
    return found


def _limit(one: socket.socket, port: int) -> bool:
    if one.type != socket.SOCK_STREAM or one.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    is_listening = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    end = one.getsockname() if is_listening else one.getpeername()
    if end[1] != port:
        return False
    one.setsockopt(socket.IPPROTO_TCP, _TCP_RTO_MAX_MS, LONGEST_WAIT_MS)
    return True
