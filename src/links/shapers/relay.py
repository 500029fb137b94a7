"""A TCP relay in user space that shapes what passes through: rate, delay, outages, resets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Self

from ...core.clock import MonotonicClock
from ...core.errors import RunError
from .link import UNLIMITED_KBPS, FaultKind, LinkConfig, LinkSchedule, Way
from .replay import OnUplinkRate, Replay
from .token_bucket import TokenBucket

_RECEIVE_BUFFER_BYTES = 16 * 1024
_SEGMENT_BYTES = 1448  # as on Ethernet; loopback's 64 kB segments do not fit small buffers
_MAX_WAITING_CHUNKS = 256
_TIMER_MS = 1.0  # the event loop's timers round up to this
_now_ms = MonotonicClock().now_ms
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Direction:
    """One way of a link, shared by its connections."""

    def __init__(self, config: LinkConfig, way: Way) -> None:
        self.bucket = TokenBucket(UNLIMITED_KBPS)
        self.is_open = asyncio.Event()
        self._wire_ms = config.wire_ms
        self._jitter_ms = config.jitter_ms
        self._generator = random.Random(f"{config.name} {way}")  # noqa: S311 only spreads delays

    def set_rate(self, rate_kbps: float) -> None:
        self.bucket.set_rate(rate_kbps, _now_ms())
        if rate_kbps > 0:
            self.is_open.set()
        else:
            self.is_open.clear()

    def delay_ms(self) -> float:
        """How long the next chunk is on the wire."""
        return self._wire_ms + self._generator.uniform(0, self._jitter_ms)


@dataclass(eq=False, slots=True)
class _Connection:
    """A connection through a link."""

    sockets: tuple[socket.socket, socket.socket]  # to the client, and to the server
    task: asyncio.Task[None] | None
    is_dead: bool = False  # half-open: its sockets stay, and nobody is told


class Link:
    """Listens on a loopback port and relays each connection to the server through a shaped link.

    Used as an asynchronous context manager. Traces and faults start when it is entered; bytes leave in
    small chunks, and buffers are small, so that a sender feels a slow link soon.
    """

    def __init__(
        self,
        config: LinkConfig,
        on_uplink_rate: OnUplinkRate | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """Prepares a link; it takes over the listener if one is given."""
        self.config = config
        self._on_uplink_rate = on_uplink_rate
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[_Connection] = set()
        self._listener = listener

    @property
    def port(self) -> int:
        """Where clients connect."""
        if self._listener is None:
            raise RuntimeError("the link is not running")
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """HOST:PORT where clients connect."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._up = _Direction(self.config, Way.UP)
        self._down = _Direction(self.config, Way.DOWN)
        if self.config.source_port:
            try:
                _socket_to(self.config).close()
            except OSError as error:
                text = f"source_port={self.config.source_port}: {error.strerror}"
                raise RunError(text) from None
        if self._listener is None:
            self._listener = _listen(self.config.port)
        replay = Replay(LinkSchedule.of(self.config), self)
        replay.start()
        self._start(self._accept(self._listener), "accept")
        self._start(replay.run(), "replay")
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in self._connections:  # the half-open ones
            for one in connection.sockets:
                one.close()
        if self._listener is not None:
            self._listener.close()

    def set_rate_kbps(self, way: Way, rate_kbps: float) -> None:
        """Sets the rate of one way or both (1000 bit/s) until the trace changes; 0 is an outage."""
        if way in (Way.DOWN, Way.BOTH):
            self._down.set_rate(rate_kbps)
        if way in (Way.UP, Way.BOTH):
            self._up.set_rate(rate_kbps)
            if self._on_uplink_rate is not None:
                self._on_uplink_rate(_now_ms(), rate_kbps)

    async def break_connections(self, kind: FaultKind) -> None:
        """Resets the connections that still carry something, or leaves them half-open."""
        for connection in self._connections:
            if connection.task is None or connection.is_dead:
                continue
            connection.task.cancel()
            if kind is FaultKind.RESET:
                _reset_on_close(connection)
            else:
                connection.is_dead = True

    def _start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"link {self.config.name} {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED):
                    raise
                await asyncio.sleep(0.1)
                continue
            self._start(self._relay(client), "connection")

    async def _relay(self, client: socket.socket) -> None:
        """Carries one connection until both ways have ended, or one breaks."""
        if self.config.source_port:
            await self._end_connections()
        try:
            server = _socket_to(self.config)
        except OSError:
            client.close()
            return
        connection = _Connection((client, server), asyncio.current_task())
        self._connections.add(connection)
        try:
            for one in connection.sockets:
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(server, self.config.server_address)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(client, server, self._up), name="uplink")
                group.create_task(self._carry(server, client, self._down), name="downlink")
        except (OSError, ExceptionGroup):  # one end broke: the other one has to hear of it
            _reset_on_close(connection)
        finally:
            connection.task = None
            if not connection.is_dead:
                self._connections.discard(connection)
                for one in connection.sockets:
                    one.close()

    async def _end_connections(self) -> None:
        """Resets what still runs, however dead its link may be, so that its source port is free."""
        tasks = [one.task for one in self._connections if one.task is not None]
        await self.break_connections(FaultKind.RESET)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(
        self, source: socket.socket, sink: socket.socket, direction: _Direction
    ) -> None:
        """Carries one way of one connection until it ends."""
        on_the_wire: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MAX_WAITING_CHUNKS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(on_the_wire, sink), name="deliver")
            data = await _receive(source, direction, is_first=True)
            while data:
                await on_the_wire.put((_now_ms() + direction.delay_ms(), data))
                data = await _receive(source, direction, is_first=False)
            await on_the_wire.put((_now_ms() + direction.delay_ms(), data))

    async def _deliver(
        self, on_the_wire: asyncio.Queue[tuple[float, bytes]], sink: socket.socket
    ) -> None:
        """Hands on, in order, what has spent its delay on the wire; empty bytes are the end."""
        loop = asyncio.get_running_loop()
        while True:
            due_ms, data = await on_the_wire.get()
            await _sleep_until(due_ms)
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(sink, data)


def _reset_on_close(connection: _Connection) -> None:
    for one in connection.sockets:
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


async def _receive(source: socket.socket, direction: _Direction, *, is_first: bool) -> bytes:
    """Reads a chunk and waits until it has gone through the link."""
    await direction.is_open.wait()
    bucket = direction.bucket
    has_waited = not is_first
    try:
        data = source.recv(bucket.chunk_bytes)
    except BlockingIOError:
        has_waited = False
        data = await asyncio.get_running_loop().sock_recv(source, bucket.chunk_bytes)
    await direction.is_open.wait()
    if data:
        await _sleep_until(bucket.reserve(len(data), _now_ms(), has_waited))
    return data


async def _sleep_until(time_ms: float) -> None:
    left_ms = time_ms - _now_ms()
    if left_ms > _TIMER_MS / 2:  # what is sent early is waited for with the next chunk
        await asyncio.sleep(left_ms / 1000)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _socket_to(config: LinkConfig) -> socket.socket:
    """A socket to be connected to the server, bound if it is to come from a certain port; OSError if that is taken."""
    server = socket.socket(socket.AF_INET6 if ":" in config.server_address[0] else socket.AF_INET)
    if config.source_port:
        try:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # over what has ended
            server.bind(("", config.source_port))
        except OSError:
            server.close()
            raise
    return server
