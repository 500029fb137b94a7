"""A port that stays open, whatever is sent to it.

`grpc.aio` decodes the path of a request before any handler or interceptor sees it. One that is not
UTF-8 ends the loop that accepts calls: the port closes, and nothing opens it again. The calls that
the server carries already are not touched. So a successor takes the port at once, and the old
server stays for its streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from ...core.errors import RunError
from .servicer import Servicer

SHORT_LIFE_S = 1.0
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.1
MAX_OLD_SERVERS = 32  # that still carry streams
OLD_GRACE_S = 0.5  # for registrations under way; who watches health asks again at the successor
LOOK_S = 0.1  # where the serving task of the library cannot be found

_log = logging.getLogger(__name__)

MakeServer = Callable[[Servicer, int], tuple[grpc.aio.Server, int]]


def pause_before_restart_s(num_short_lives: int) -> float:
    """A port that is attacked in a loop must not take all the time of its process."""
    if num_short_lives < 1:
        return 0.0
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(num_short_lives - 1, 10))


@dataclass(slots=True, eq=False)
class _Listening:
    """A server that has, or had, the port."""

    server: grpc.aio.Server
    servicer: Servicer
    serving: asyncio.Task[None] | None = None  # of the library; over when the port is closed
    started_s: float = 0.0
    served_s: float = 0.0

    async def start(self) -> None:
        before = asyncio.all_tasks()
        await self.server.start()
        self.started_s = time.monotonic()
        for task in asyncio.all_tasks() - before:
            name = getattr(task.get_coro(), "__qualname__", "")
            if name.endswith("._server_main_loop"):
                self.serving = task

    async def wait_until_dead(self) -> None:
        """Returns when it accepts no calls any more, for whatever reason."""
        if self.serving is not None:
            await asyncio.wait([self.serving])
        else:
            while await self._is_alive_after(LOOK_S):
                pass
        self.served_s = time.monotonic() - self.started_s

    async def stop(self, grace_s: float) -> None:
        """Ends all calls after a grace; when it returns, nothing of the server is left.

        A server that died raises what it died of when it is told to stop, and only then begins to. Who let go of
        it there would free what its library still works with, and a later call would end the process.
        """
        with contextlib.suppress(Exception):
            await self.server.stop(grace_s)
        await self.server.stop(
            grace_s
        )  # waits for the end; does nothing after a stop that went well

    async def _is_alive_after(self, seconds: float) -> bool:
        try:
            return await self.server.wait_for_termination(seconds)
        except Exception:  # noqa: BLE001 it raises what the server died of
            return False


class Listener:
    """Keeps a server on one port until it is stopped.

    Attributes:
        port: where; known once bound.
        is_listening: whether a client can connect.
    """

    _current: _Listening

    def __init__(
        self,
        make_server: MakeServer,
        make_servicer: Callable[[], Servicer],
        port: int,
        on_change: Callable[[], None],
    ) -> None:
        """Does nothing yet.

        Args:
            make_server: returns a server with that servicer, not started, and its port.
            make_servicer: returns one that carries no stream yet.
            port: 0 for any free one.
            on_change: called when `is_listening` may have changed.
        """
        self._make_server = make_server
        self._make_servicer = make_servicer
        self._on_change = on_change
        self.port = port
        self._old: list[_Listening] = []  # that lost the port and still carry streams
        self._num_short_lives = 0
        self.is_listening = False

    def bind(self) -> None:
        """Takes the port, and does not listen yet.

        Raises:
            RunError: if it cannot be had.
        """
        self._current, self.port = self._make(self.port)

    async def start(self) -> None:
        """Opens the port that was bound."""
        await self._current.start()
        self.is_listening = True
        self._on_change()

    async def watch(self) -> None:
        """Opens the port again whenever it is lost, until cancelled."""
        async with asyncio.TaskGroup() as ending:
            while True:
                await self._current.wait_until_dead()
                lost = self._current
                is_short = lost.served_s < SHORT_LIFE_S
                self._num_short_lives = self._num_short_lives + 1 if is_short else 0
                self._old.append(lost)
                ending.create_task(self._end_when_unused(lost), name="old server")
                self._make_room()
                await asyncio.sleep(pause_before_restart_s(self._num_short_lives))
                await self._reopen()
                _log.warning("the gRPC server died of a malformed request; the port is open again")

    async def stop(self, grace_s: float) -> None:
        """Closes the port, and ends all calls after a grace."""
        self.is_listening = False
        await asyncio.gather(*(one.stop(grace_s) for one in (self._current, *self._old)))

    def _make(self, port: int) -> tuple[_Listening, int]:
        servicer = self._make_servicer()
        server, port = self._make_server(servicer, port)
        return _Listening(server, servicer), port

    async def _reopen(self) -> None:
        """Takes the port again. Whoever took it meanwhile must give it back first."""
        while True:
            try:
                self._current, _ = self._make(self.port)
                break
            except RunError as error:
                if self.is_listening:
                    _log.error("%s; trying again", error)
                    self.is_listening = False
                    self._on_change()
                await asyncio.sleep(LONGEST_PAUSE_S)
        await self._current.start()
        if not self.is_listening:
            self.is_listening = True
            self._on_change()

    def _make_room(self) -> None:
        """Gives up the old server that served for the shortest time, if there are too many."""
        busy = [one for one in self._old if not one.servicer.is_unused.is_set()]
        if len(busy) > MAX_OLD_SERVERS:
            min(busy, key=lambda one: one.served_s).servicer.is_unused.set()

    async def _end_when_unused(self, old: _Listening) -> None:
        await old.servicer.is_unused.wait()
        await old.stop(OLD_GRACE_S)
        self._old.remove(old)
