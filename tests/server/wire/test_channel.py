from __future__ import annotations

import asyncio
import os
import socket
import threading

import psutil
import pytest

from moonjelly.protos.internal_pb2 import (
    Cancel,
    Drain,
    Envelope,
    FrameDescriptor,
    FrameResult,
    FrameResults,
)
from moonjelly.server.wire.channel import (
    MAX_PACKET_BYTES,
    AsyncChannel,
    Channel,
    ChannelClosedError,
    socket_pair,
)


def numbered(number: int) -> Envelope:
    return Envelope(frame=FrameDescriptor(ticket=number + 1))


def padded(num_bytes: int) -> Envelope:
    result = FrameResult(ticket=1, drop_detail="x" * num_bytes)
    return Envelope(results=FrameResults(frames=[result]))


@pytest.fixture
def ends():
    one, other = (Channel(end) for end in socket_pair())
    yield one, other
    one.close()
    other.close()


def test_packets_come_in_order_and_whole(ends):
    one, other = ends
    for number in range(100):
        assert one.send(numbered(number))
    assert [envelope.frame.ticket for envelope, _ in other.drain()] == list(range(1, 101))
    assert other.receive() is None


def test_a_burst_leaves_the_rest_for_later(ends):
    one, other = ends
    for number in range(10):
        one.send(numbered(number))
    assert len(list(other.drain(most=4))) == 4
    assert len(list(other.drain())) == 6


def test_a_descriptor_arrives_as_another_one_for_the_same_file(ends):
    one, other = ends
    read_end, write_end = os.pipe()
    try:
        one.send(numbered(0), [write_end])
        _, (received,) = other.receive()
        assert received != write_end
        assert not os.get_inheritable(received)
        os.write(received, b"hello")
        os.close(received)
        assert os.read(read_end, 10) == b"hello"
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_full_socket_refuses_at_once_and_takes_packets_again_after_reading(ends):
    one, other = ends
    num_sent = 0
    while one.send(padded(50_000)):
        num_sent += 1
    assert num_sent >= 8
    assert not one.send_within(padded(50_000), timeout_s=0.01)
    while other.receive() is not None:
        num_sent -= 1
    assert num_sent == 0
    assert one.send(padded(50_000))


def test_a_waiting_send_goes_on_when_there_is_room(ends):
    one, other = ends
    while one.send(padded(50_000)):
        pass
    reader = threading.Timer(0.01, lambda: list(other.drain()))
    reader.start()
    assert one.send_within(padded(50_000), timeout_s=30)
    reader.join()


@pytest.mark.parametrize("envelope", [Envelope(), padded(MAX_PACKET_BYTES)])
def test_packets_that_are_empty_or_too_large_are_refused(ends, envelope):
    with pytest.raises(ValueError, match="packet of"):
        ends[0].send(envelope)


def test_end_of_file_comes_after_the_last_packet(ends):
    one, other = ends
    other.send(numbered(7))  # unread at the peer's end, which makes the kernel report a reset
    one.send(numbered(1))
    one.send(numbered(2))
    one.close()
    assert other.receive()[0].frame.ticket == 2
    assert other.receive()[0].frame.ticket == 3
    with pytest.raises(ChannelClosedError):
        other.receive()
    with pytest.raises(ChannelClosedError):
        other.send(numbered(3))


def test_bytes_that_are_no_envelope_end_the_channel(ends):
    one, other = ends
    one.send_bytes(b"\xff\xff\xff")
    with pytest.raises(ChannelClosedError, match="no envelope"):
        other.receive()


class Recorder:
    """The receiving side of an `AsyncChannel`."""

    def __init__(self, channel: Channel, **options: int) -> None:
        self.tickets: list[int] = []
        self.num_closed = 0
        self.event = asyncio.Event()
        self.channel = AsyncChannel(channel, self._on_packet, self._on_close, **options)

    def _on_packet(self, envelope: Envelope, descriptors: tuple[int, ...]) -> None:
        assert descriptors == ()
        self.tickets.append(envelope.frame.ticket)
        self.event.set()

    def _on_close(self) -> None:
        self.num_closed += 1
        self.event.set()

    async def until(self, condition) -> None:
        while not condition():
            self.event.clear()
            await asyncio.wait_for(self.event.wait(), 30)


async def test_the_loop_hands_out_packets_in_order_then_end_of_file_once(ends):
    one, other = ends
    recorder = Recorder(other)
    for number in range(300):
        one.send(numbered(number))
    one.close()
    await recorder.until(lambda: recorder.num_closed)
    assert recorder.tickets == list(range(1, 301))
    assert recorder.num_closed == 1
    assert not recorder.channel.is_open
    assert not recorder.channel.send(numbered(0))


async def test_own_close_is_no_event(ends):
    one, other = ends
    recorder = Recorder(other)
    recorder.channel.close()
    recorder.channel.close()
    await asyncio.sleep(0)
    assert recorder.num_closed == 0
    with pytest.raises(ChannelClosedError):
        one.receive()


async def test_packets_wait_in_a_bounded_backlog_while_the_peer_does_not_read(ends):
    one, other = ends
    sender = Recorder(one, backlog_limit=5)
    num_taken = 0
    while sender.channel.send(padded(50_000)):
        num_taken += 1
    num_received = 0
    while num_received < num_taken:
        num_received += len(list(other.drain()))
        await asyncio.sleep(0)
    assert other.receive() is None
    assert sender.channel.send(numbered(0))
    assert other.receive()[0].frame.ticket == 1
    sender.channel.close()


async def test_the_order_holds_across_the_backlog(ends):
    one, other = ends
    sender = Recorder(one)
    sent = 0
    while sent < 5000:
        assert (
            sender.channel.send(Envelope(cancel=Cancel(tickets=[sent, *range(100)]))) or sent > 4000
        )
        sent += 1
        if sent % 1000 == 0:
            await asyncio.sleep(0)
    received: list[int] = []
    while len(received) < 4000:
        received.extend(envelope.cancel.tickets[0] for envelope, _ in other.drain())
        await asyncio.sleep(0)
    assert received == list(range(len(received)))
    sender.channel.close()


async def test_a_callback_may_close_the_channel_and_gets_nothing_more(ends):
    one, other = ends
    seen: list[Envelope] = []
    first = asyncio.Event()

    def on_packet(envelope: Envelope, _descriptors: tuple[int, ...]) -> None:
        seen.append(envelope)
        channel.close()
        first.set()

    channel = AsyncChannel(other, on_packet, lambda: pytest.fail("own close is no event"))
    for _ in range(3):
        one.send(Envelope(drain=Drain(grace_ms=1)))
    await asyncio.wait_for(first.wait(), 30)
    await asyncio.sleep(0)
    assert len(seen) == 1


def test_a_packet_that_is_no_envelope_leaves_no_descriptor_behind():
    ours, theirs = socket_pair()
    receiver = Channel(theirs)
    before = psutil.Process().num_fds()
    with ours:
        socket.send_fds(ours, [b"\xff" * 10], [0, 1])
        with pytest.raises(ChannelClosedError, match="no envelope"):
            receiver.receive()
        assert psutil.Process().num_fds() == before
    receiver.close()
