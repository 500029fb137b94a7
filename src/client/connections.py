"""The connections of one client: as few as carry its streams."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

from .access import Access
from .connection import Connection

STREAMS_PER_CONNECTION = 64
"""A server takes 128 calls on one connection. A stream has one, and now and then another beside it."""


class _Process:
    """What this process did with gRPC.

    Attributes:
        has_used_grpc: whether it made a channel, or the one that it was forked from.
        was_forked: whether it was forked after that.
    """

    has_used_grpc = False
    was_forked = False


def use_grpc() -> None:
    """Notes that gRPC is used from now on; RuntimeError if this process was forked from one that used it."""
    check_not_forked()
    _Process.has_used_grpc = True


def check_not_forked() -> None:
    """Raises RuntimeError if this process was forked from one that used gRPC."""
    if _Process.was_forked:
        raise RuntimeError(
            "this process was forked from one that used gRPC, which does not work in both; start it with "
            'multiprocessing.get_context("spawn"), or fork before the first client is entered'
        )


def was_forked() -> bool:
    """Whether this process was forked from one that used gRPC."""
    return _Process.was_forked


def _note_fork() -> None:
    _Process.was_forked = _Process.has_used_grpc


os.register_at_fork(after_in_child=_note_fork)


class Connections:
    """Gives each stream a connection to the server, which all of its calls use.

    One that registers at one connection and streams on another might reach two processes of the server. Made and
    used inside one event loop.
    """

    def __init__(self, address: str, access: Access) -> None:
        """Opens nothing yet; RuntimeError if this process was forked from one that used gRPC."""
        use_grpc()
        self.address = address
        self._access = access
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._num_streams: Counter[Connection] = Counter()

    def __len__(self) -> int:
        return len(self._num_streams)

    def take(self) -> Connection:
        """Returns the connection for one more stream.

        Raises:
            RuntimeError: if the client was closed, or this is another event loop than its own.
        """
        if self._is_closed:
            raise RuntimeError("the client is closed")
        self.check_loop()
        with_room = (
            one
            for one, num_streams in self._num_streams.items()
            if num_streams < STREAMS_PER_CONNECTION
        )
        connection = next(with_room, None) or Connection(self.address, self._access)
        self._num_streams[connection] += 1
        return connection

    def give_back(self, connection: Connection) -> None:
        """A stream needs its connection no more; it is kept for the next one."""
        self._num_streams[connection] -= 1

    def check_loop(self) -> None:
        """Raises RuntimeError if this is another event loop than the one in which the client was entered."""
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(
                "the client belongs to another event loop; enter it in the loop in which it is used"
            )

    async def close(self) -> None:
        """Ends the connections and what still runs on them."""
        self._is_closed = True
        for connection in self._num_streams:
            await connection.close()
