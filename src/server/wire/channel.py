"""Packets between the processes of one server: `Envelope`s over `SOCK_SEQPACKET` pairs.

`Channel` sends and receives without ever waiting, for threads with a selector. `AsyncChannel` puts
one on an event loop, with callbacks and a bounded backlog.
"""

from __future__ import annotations

import array
import asyncio
import os
import select
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError

from ...protos.internal_pb2 import Envelope

BUFFER_BYTES = 1 << 20
MAX_PACKET_BYTES = 128 * 1024  # a packet needs contiguous memory of the kernel
MAX_DESCRIPTORS = 4
ENTRIES_PER_PACKET = 500  # of at most about 160 bytes each
BURST_PACKETS = 128  # taken from one channel before others get their turn

_CUT_FLAGS = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)  # plain: an enum takes longer than the call
_ANCILLARY_BYTES = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)

Entry = TypeVar("Entry")
Packet = tuple[Envelope, tuple[int, ...]]


class ChannelClosedError(ConnectionError):
    """The peer is gone; everything it sent before was handed out already."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Makes the two ends of a channel, not inheritable, with enlarged buffers."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    return ends


class Channel:
    """One end. No method waits unless it says so.

    One thread may send while another receives; two senders need a lock of their own.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        buffer = bytearray(MAX_PACKET_BYTES)
        self._buffers = [buffer]
        self._view = memoryview(buffer)

    @classmethod
    def from_descriptor(cls, descriptor: int) -> Channel:
        """Takes over a descriptor that was inherited, or received with `Attach`."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """The descriptor, for selectors."""
        return self._socket.fileno()

    def send(self, envelope: Envelope, descriptors: Sequence[int] = ()) -> bool:
        """Sends one packet; the descriptors stay open here. Returns False if there is no room now.

        Raises:
            ChannelClosedError: if the peer is gone.
            ValueError: if the packet is empty or larger than `MAX_PACKET_BYTES`.
        """
        return self.send_bytes(encode(envelope), descriptors)

    def send_bytes(self, packet: bytes, descriptors: Sequence[int] = ()) -> bool:
        """Sends one packet that is encoded already; else as `send`."""
        try:
            if descriptors:
                socket.send_fds(self._socket, [packet], list(descriptors))
            else:
                self._socket.send(packet)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosedError from error
        return True

    def send_within(self, envelope: Envelope, timeout_s: float) -> bool:
        """Like `send`, but waits for room. Returns False if none came in time."""
        packet = encode(envelope)
        if self.send_bytes(packet):
            return True
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        return bool(poll.poll(timeout_s * 1000)) and self.send_bytes(packet)

    def receive_bytes(self) -> tuple[memoryview, tuple[int, ...]] | None:
        """Takes one packet, valid until the next is taken; None if there is none now.

        Raises:
            ChannelClosedError: if the peer is gone and nothing of it is left.
        """
        try:
            length, ancillary, flags, _ = self._socket.recvmsg_into(self._buffers, _ANCILLARY_BYTES)
        except BlockingIOError:
            return None
        except ConnectionResetError:  # told once; what the peer sent before is still there
            return self.receive_bytes()
        descriptors = _descriptors(ancillary) if ancillary else ()
        if flags & _CUT_FLAGS:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ChannelClosedError("a packet was too large")
        if length == 0:
            raise ChannelClosedError
        return self._view[:length], descriptors

    def receive(self) -> Packet | None:
        """Takes one envelope and its descriptors, which are the caller's; None if none is there.

        Raises:
            ChannelClosedError: if the peer is gone and nothing of it is left.
        """
        received = self.receive_bytes()
        if received is None:
            return None
        packet, descriptors = received
        try:
            return Envelope.FromString(bytes(packet)), descriptors
        except DecodeError as error:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ChannelClosedError("a packet was no envelope") from error

    def drain(self, most: int = BURST_PACKETS) -> Iterator[Packet]:
        """Takes what is there, at most `most` packets; raises as `receive`."""
        for _ in range(most):
            packet = self.receive()
            if packet is None:
                return
            yield packet

    def close(self) -> None:
        """Closes this end; the peer sees end-of-file. Closing twice is fine."""
        self._socket.close()


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    received = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
    for descriptor in received:
        os.set_inheritable(descriptor, False)
    return tuple(received)


def in_parts(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Cuts a list into parts that fit into a packet each."""
    for start in range(0, len(entries), ENTRIES_PER_PACKET):
        yield entries[start : start + ENTRIES_PER_PACKET]


def encode(envelope: Envelope) -> bytes:
    """Serialises an envelope that fits into a packet.

    Raises:
        ValueError: if it is empty or larger than `MAX_PACKET_BYTES`.
    """
    packet = envelope.SerializeToString()
    if not 0 < len(packet) <= MAX_PACKET_BYTES:
        raise ValueError(f"packet of {len(packet)} bytes: must be 1 to {MAX_PACKET_BYTES}")
    return packet


class AsyncChannel:
    """A channel on the running event loop. Nothing here waits or is awaited.

    Packets are handed to `on_packet(envelope, descriptors)` in order, several per wake-up.
    `on_close()` is called once when the peer is gone, after its last packet; not after `close()`.
    Packets that find no room wait in a backlog of at most `backlog_limit`. `is_open` until a side has closed.
    """

    def __init__(
        self,
        channel: Channel,
        on_packet: Callable[[Envelope, tuple[int, ...]], None],
        on_close: Callable[[], None],
        backlog_limit: int = 4096,
    ) -> None:
        self._channel = channel
        self._on_packet = on_packet
        self._on_close = on_close
        self._backlog: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._backlog_limit = backlog_limit
        self.is_open = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._read)

    def send(self, envelope: Envelope, descriptors: Sequence[int] = ()) -> bool:
        """Sends or queues one packet. Returns False, and takes nothing, if closed or backlogged.

        Descriptors must stay open until the packet has left; without a backlog it has at once.

        Raises:
            ValueError: if the packet is empty or larger than `MAX_PACKET_BYTES`.
        """
        if not self.is_open or len(self._backlog) >= self._backlog_limit:
            return False
        packet = encode(envelope)
        if not self._backlog:
            try:
                if self._channel.send_bytes(packet, descriptors):
                    return True
            except ChannelClosedError:  # the reader says so, after the last packets
                return False
            self._loop.add_writer(self._channel.fileno(), self._flush)
        self._backlog.append((packet, tuple(descriptors)))
        return True

    def close(self) -> None:
        """Closes this end; queued packets are lost. Closing twice is fine."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._channel.fileno())
        self._loop.remove_writer(self._channel.fileno())
        self._backlog.clear()
        self._channel.close()

    def _read(self) -> None:
        try:
            for envelope, descriptors in self._channel.drain():
                self._on_packet(envelope, descriptors)
                if not self.is_open:
                    return
        except ChannelClosedError:
            self.close()
            self._on_close()

    def _flush(self) -> None:
        try:
            while self._backlog and self._channel.send_bytes(*self._backlog[0]):
                self._backlog.popleft()
        except ChannelClosedError:
            self._backlog.clear()
        if not self._backlog:
            self._loop.remove_writer(self._channel.fileno())
