"""How the processes of a server come to know each other: the supervisor hands out descriptors."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...protos.internal_pb2 import Attach, ChildStatus, Envelope
from ..child import GOVERNOR
from ..config import ServerConfig
from ..wire.channel import socket_pair
from ..wire.frame_memory import create_frame_memory, memory_bytes, read_only, require_memory
from .child_process import ChildProcess

_PAIRS = (
    *(("endpoint", "executor"), ("endpoint", "scheduler"), ("scheduler", "executor")),
    (GOVERNOR, "executor"),
)


class FrameMemories:
    """The frame memory of each endpoint, which outlives it."""

    def __init__(self) -> None:
        """Holds none yet."""
        self._descriptors: list[tuple[int, int]] = []  # per endpoint: to write, to read

    def make(self, config: ServerConfig) -> None:
        """Reserves them all.

        Raises:
            UsageError: if they do not fit.
        """
        slots, slot_bytes = config.frame_slots, config.max_frame_bytes
        require_memory(config.endpoints * memory_bytes(slots, slot_bytes))
        for _ in range(config.endpoints):
            writable = create_frame_memory(slots, slot_bytes)
            self._descriptors.append((writable, read_only(writable)))

    def attach(self, child: ChildProcess, children: Sequence[ChildProcess]) -> None:
        """Hands a new process the memories that it works with."""
        for endpoint in (one for one in children if one.role == "endpoint"):
            writable, readable = self._descriptors[endpoint.number]
            if child is endpoint:
                child.attach(Attach.FRAME_MEMORY, child.name, writable)
            elif child.role == "executor":
                child.attach(Attach.FRAME_MEMORY, endpoint.name, readable)

    def close(self) -> None:
        """Lets go of them."""
        for descriptors in self._descriptors:
            for descriptor in descriptors:
                os.close(descriptor)
        self._descriptors.clear()


def join(child: ChildProcess, children: Sequence[ChildProcess]) -> None:
    """Joins a process that is ready with every peer that is, so that nobody waits for one.

    Raises:
        OSError: if there is no descriptor left for a socket.
    """
    for peer in children:
        is_pair = (child.role, peer.role) in _PAIRS or (peer.role, child.role) in _PAIRS
        if not is_pair or not peer.is_ready:
            continue
        mine, theirs = socket_pair()
        with mine, theirs:
            child.attach(Attach.SOCKET, peer.name, mine.fileno())
            peer.attach(Attach.SOCKET, child.name, theirs.fileno())
        if child.role == "endpoint":
            child.tell(status_of(peer, is_alive=True))
        elif peer.role == "endpoint":
            peer.tell(status_of(child, is_alive=True))


def status_of(child: ChildProcess, *, is_alive: bool, is_crash: bool = False) -> Envelope:
    """What endpoints are told of a peer."""
    status = ChildStatus(peer=child.name, is_alive=is_alive, is_crash=is_crash)
    return Envelope(child_status=status)
