"""A TCP relay in user space that shapes what passes through: rate, delay, outages, resets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..core.checks import echo, require_id, require_not_negative
from .shaping import TokenBucket
from .traces import LinkTrace

_RECEIVE_BUFFER_BYTES = 16 * 1024
_SEGMENT_BYTES = 1448  # as on Ethernet; loopback's 64 kB segments do not fit small buffers
_MAX_WAITING_CHUNKS = 256
_TIMER_MS = 1.0  # the event loop's timers round up to this
_UNSHAPED_KBPS = 10_000_000.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """One emulated link.

    Attributes:
        name: unique in its relay; names the log.
        server: HOST:PORT that the link leads to.
        uplink: rate from clients to the server; None does not limit it.
        downlink: the same for the way back.
        wire_ms: added one-way delay, each way.
        port: where clients connect, on loopback; 0 takes a free one.
    """

    name: str
    server: str
    uplink: LinkTrace | None = None
    downlink: LinkTrace | None = None
    wire_ms: float = 0.0
    port: int = 0

    def __post_init__(self) -> None:
        require_id("name", self.name)
        require_not_negative("wire_ms", self.wire_ms, 60_000)
        host, _, port = self.server.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) <= 65535):  # noqa: PLR2004
            raise ValueError(f"server={echo(self.server)}: must be HOST:PORT")

    @property
    def server_address(self) -> tuple[str, int]:
        """Host and port of the server."""
        host, _, port = self.server.rpartition(":")
        return host.strip("[]"), int(port)


class _Direction:
    """One way of a link, shared by its connections."""

    def __init__(self, rate_kbps: float, wire_ms: float) -> None:
        self.bucket = TokenBucket(rate_kbps)
        self.wire_ms = wire_ms
        self.is_open = asyncio.Event()
        self.set_rate(rate_kbps)

    def set_rate(self, rate_kbps: float) -> None:
        self.bucket.set_rate(rate_kbps, _now_ms())
        if rate_kbps > 0:
            self.is_open.set()
        else:
            self.is_open.clear()


class Link:
    """Listens on a loopback port and relays each connection to the server through a shaped link.

    Used as an asynchronous context manager. Traces start when it is entered; bytes leave in small
    chunks, and buffers are small, so that a sender feels a slow link soon.

    Attributes:
        num_connections: connections accepted so far.
        uplink_bytes: bytes handed to the server so far.
    """

    def __init__(
        self, config: LinkConfig, on_uplink_rate: Callable[[float, float], None] | None = None
    ) -> None:
        """Prepares the link.

        Args:
            config: what to emulate.
            on_uplink_rate: called with the monotonic time (ms) and the rate (1000 bit/s) whenever
                the uplink's rate is set.
        """
        self.config = config
        self.num_connections = 0
        self.uplink_bytes = 0
        self._on_uplink_rate = on_uplink_rate
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None

    @property
    def port(self) -> int:
        """Where clients connect."""
        if self._listener is None:
            raise RuntimeError("the link is not running")
        port: int = self._listener.getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._up = _Direction(_first_kbps(self.config.uplink), self.config.wire_ms)
        self._down = _Direction(_first_kbps(self.config.downlink), self.config.wire_ms)
        self._listener = _listen(self.config.port)
        self._start(self._accept(self._listener), "accept")
        self._report()
        if self.config.uplink is not None:
            self._start(self._follow(self.config.uplink, self.set_uplink_kbps), "uplink trace")
        if self.config.downlink is not None:
            self._start(self._follow(self.config.downlink, self._down.set_rate), "downlink trace")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    def set_uplink_kbps(self, rate_kbps: float) -> None:
        """Sets the uplink's rate (1000 bit/s) until its trace says otherwise; 0 is an outage."""
        self._up.set_rate(rate_kbps)
        self._report()

    def set_downlink_kbps(self, rate_kbps: float) -> None:
        """Sets the downlink's rate (1000 bit/s) until its trace says otherwise; 0 is an outage."""
        self._down.set_rate(rate_kbps)

    def cut(self) -> None:
        """Lets nothing through, either way, and tells nobody."""
        self.set_uplink_kbps(0)
        self._down.set_rate(0)

    def reset(self) -> None:
        """Resets every connection; both ends see it."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        for task in list(self._tasks):
            if task.get_name().endswith("connection"):
                task.cancel()

    def _report(self) -> None:
        if self._on_uplink_rate is not None:
            self._on_uplink_rate(_now_ms(), self._up.bucket.rate_kbps)

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"link {self.config.name} {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, trace: LinkTrace, set_rate: Callable[[float], None]) -> None:
        start_s = time.monotonic()
        while len(trace.values_mbps) > 1:
            change_s = trace.next_change_s(time.monotonic() - start_s)
            await asyncio.sleep(start_s + change_s - time.monotonic())
            set_rate(trace.rate_kbps(change_s))

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
            self.num_connections += 1
            self._start(self._relay(client), "connection")

    async def _relay(self, client: socket.socket) -> None:
        """Carries one connection until both ways have ended, or one breaks."""
        server = socket.socket(_family(self.config.server_address[0]))
        pair = (client, server)
        self._sockets.update(pair)
        try:
            for one in pair:
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(server, self.config.server_address)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(client, server, self._up), name="uplink")
                group.create_task(self._carry(server, client, self._down), name="downlink")
        except (OSError, ExceptionGroup):  # one end broke: the other one has to hear of it
            for one in pair:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        finally:
            self._sockets.difference_update(pair)
            for one in pair:
                one.close()

    async def _carry(
        self, source: socket.socket, sink: socket.socket, direction: _Direction
    ) -> None:
        """Carries one way of one connection until it ends."""
        on_the_wire: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MAX_WAITING_CHUNKS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(on_the_wire, sink, direction), name="deliver")
            data = await _receive(source, direction, is_first=True)
            while data:
                await on_the_wire.put((_now_ms() + direction.wire_ms, data))
                data = await _receive(source, direction, is_first=False)
            await on_the_wire.put((_now_ms() + direction.wire_ms, data))

    async def _deliver(
        self,
        on_the_wire: asyncio.Queue[tuple[float, bytes]],
        sink: socket.socket,
        direction: _Direction,
    ) -> None:
        """Hands on what has spent its delay on the wire; empty bytes are the end."""
        loop = asyncio.get_running_loop()
        while True:
            due_ms, data = await on_the_wire.get()
            await _sleep_until(due_ms)
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(sink, data)
            if direction is self._up:
                self.uplink_bytes += len(data)


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


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _first_kbps(trace: LinkTrace | None) -> float:
    return _UNSHAPED_KBPS if trace is None else trace.rate_kbps(0)


def _now_ms() -> float:
    return time.monotonic_ns() / 1e6
