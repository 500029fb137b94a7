"""The port stays open and streams go on, whatever a request's headers hold."""

from __future__ import annotations

import asyncio
import socket
import struct

import grpc
import psutil
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from moonjelly.server.endpoint.listener import (
    LONGEST_PAUSE_S,
    MAX_OLD_SERVERS,
    Listener,
    _Listening,
    pause_before_restart_s,
)
from moonjelly.server.endpoint.servicer import Servicer

LIMIT_S = 20.0
SERVING = HealthCheckResponse.SERVING
REGISTER = b"/moonjelly.v1.Serving/Register"
HEADERS = {
    b":method": b"POST",
    b":scheme": b"http",
    b":path": REGISTER,
    b":authority": b"x",
    b"te": b"trailers",
    b"content-type": b"application/grpc",
}
DEADLY = [
    b"/x\xff",
    REGISTER + b"\xff",
    b"\xff",
    b"/\xc3",
    b"/\xed\xa0\x80",
    b"/\xf8\x88\x80\x80\x80",
]
RUDE = [
    {b":path": b""},
    {b":path": b"/x\0y"},
    {b":method": b"P\xff"},
    {b":scheme": b"\xff"},
    {b":authority": b"\xff\xfe"},
    {b"te": b"\xff"},
    {b"content-type": b"\xff"},
    {b"user-agent": b"\xff"},
    {b"host": b"\xff"},
    {b"grpc-timeout": b"\xff"},
    {b"grpc-encoding": b"\xff"},
    {b"grpc-accept-encoding": b"\xff"},
    {b"grpc-message": b"%ff\xff"},
    {b"grpc-trace-bin": b"\xff"},
    {b"x-name": b"\xff\xfe"},
    {b"x-name-bin": b"\xff!"},
    {b"x-\xff": b"value"},
]


def http2(changes: dict[bytes, bytes]) -> bytes:
    """A connection's first bytes, with one call of an empty message."""

    def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
        return (
            struct.pack(">I", len(body))[1:]
            + bytes([kind, flags])
            + struct.pack(">I", stream)
            + body
        )

    def literal(name: bytes, value: bytes) -> bytes:
        return bytes([0, len(name)]) + name + bytes([len(value)]) + value

    headers = b"".join(literal(*item) for item in (HEADERS | changes).items())
    start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
    return start + frame(1, 4, 1, headers) + frame(0, 1, 1, bytes(5))


async def attack(port: int, changes: dict[bytes, bytes]) -> None:
    """Sends one such call on a connection of its own, and reads until the server ends it."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except ConnectionError:  # another attack has just closed the port
            await asyncio.sleep(0.001)
    writer.write(http2(changes))
    try:
        while (data := await reader.read(4096)) and b"grpc-status" not in data:
            if b"Server shutdown" in data:
                return
    except ConnectionError:
        return
    finally:
        writer.close()


async def kill_listener(harness, changes: dict[bytes, bytes]) -> None:
    """One attack; returns when another server listens."""
    listener = harness.process._listener
    before = listener._current
    await attack(harness.port, changes)
    await harness.until(lambda: listener._current is not before and listener._current.started_s)


@pytest.mark.parametrize("path", DEADLY)
async def test_the_port_is_open_again_and_streams_go_on(harness, path):
    client = await harness.stream()
    await client.result_of(harness.frame(1))
    await kill_listener(harness, {b":path": path})
    await client.result_of(harness.frame(2))
    newcomer = await harness.stream("newcomer")
    await newcomer.result_of(harness.frame(1))
    assert (await client.goodbye())[0] is grpc.StatusCode.OK
    assert (await newcomer.goodbye())[0] is grpc.StatusCode.OK


async def test_no_other_header_does_any_harm(harness):
    client = await harness.stream()
    before = harness.process._listener._current
    for changes in RUDE:
        async with asyncio.timeout(LIMIT_S):
            await asyncio.wait({asyncio.create_task(attack(harness.port, changes))}, timeout=0.2)
        await client.result_of(harness.frame(RUDE.index(changes) + 1))
    assert harness.process._listener._current is before
    await harness.register("newcomer")


async def test_one_connection_meets_the_successor_after_the_attack(harness):
    channel = harness.channel()
    health = HealthStub(channel)
    assert (await health.Check(HealthCheckRequest(), timeout=LIMIT_S)).status == SERVING
    await kill_listener(harness, {b":path": DEADLY[0]})
    reply = await health.Check(HealthCheckRequest(), timeout=LIMIT_S, wait_for_ready=True)
    assert reply.status == SERVING


async def test_who_watches_health_on_an_old_connection_is_told_the_truth_or_sent_away(harness):
    client = await harness.stream()
    watching = HealthStub(harness.channel()).Watch(HealthCheckRequest())
    assert (await watching.read()).status == SERVING
    await kill_listener(harness, {b":path": DEADLY[0]})
    for device_id in list(harness.executors):  # the stream keeps the old server
        harness.executors[device_id].channel.close()
    async with asyncio.timeout(LIMIT_S):
        assert (await watching.read()).status == HealthCheckResponse.NOT_SERVING
    await client.goodbye()
    async with asyncio.timeout(LIMIT_S):
        assert await watching.code() is not grpc.StatusCode.OK


async def test_many_attacks_leave_nothing_behind(harness):
    client = await harness.stream()
    listener, process = harness.process._listener, psutil.Process()
    await kill_listener(harness, {b":path": DEADLY[0]})
    descriptors, threads = process.num_fds(), process.num_threads()
    tasks = len(asyncio.all_tasks())
    for sequence in range(1, 51):
        await kill_listener(harness, {b":path": DEADLY[sequence % len(DEADLY)]})
        await client.result_of(harness.frame(sequence))
    await harness.until(lambda: len(listener._old) == 1)
    await harness.until(lambda: process.num_fds() <= descriptors + 2)
    await harness.until(lambda: len(asyncio.all_tasks()) <= tasks + 2)
    assert process.num_threads() <= threads + 4  # of the library's pool
    await client.goodbye()
    await harness.until(lambda: len(listener._old) == 0)


async def test_draining_answers_what_is_under_way_on_old_servers_and_ends_their_streams(harness):
    old = await harness.stream("old")
    await kill_listener(harness, {b":path": DEADLY[0]})
    new = await harness.stream("new")
    harness.drain(grace_ms=2000)
    for client in (old, new):
        code, words = await client.end()
        assert (code, words) == (grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
    async with asyncio.timeout(LIMIT_S):
        await harness.running
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", harness.port)


async def test_a_port_that_is_lost_to_somebody_else_is_told_and_taken_back(harness, monkeypatch):
    listener = harness.process._listener
    thief = socket.socket()
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    make = listener._make

    def steal_first(port: int):
        if thief.fileno() >= 0 and not listener.is_listening:
            thief.close()  # it was seen to be lost
        return make(port)

    def make_after_theft(port: int):
        monkeypatch.setattr(listener, "_make", steal_first)
        thief.bind(("127.0.0.1", port))
        thief.listen()
        return steal_first(port)

    monkeypatch.setattr(listener, "_make", make_after_theft)
    await kill_listener(harness, {b":path": DEADLY[0]})
    await harness.until(lambda: harness.health == [True, False, True])
    await harness.register("newcomer")


def test_restarts_are_at_once_for_one_attack_and_a_few_a_second_for_many():
    pauses = [pause_before_restart_s(count) for count in range(20)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S < 0.5


@pytest.fixture
def until():
    async def wait(condition):
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110 a condition of the test's own
                await asyncio.sleep(0)

    return wait


class _OldServer:
    """Carries one stream for ever."""

    def __init__(self) -> None:
        self.was_stopped = False

    async def stop(self, grace_s: float) -> None:
        del grace_s
        self.was_stopped = True


async def test_old_servers_with_streams_are_bounded_and_the_longest_serving_stay(until):
    listener = Listener(lambda _servicer, _port: None, lambda: None, 0, lambda: None)
    servers = []
    async with asyncio.TaskGroup() as ending:
        for number in range(MAX_OLD_SERVERS + 5):
            servicer = Servicer(None, None, 0)
            servicer.is_unused.clear()
            old = _Listening(_OldServer(), servicer, served_s=100.0 - number)
            servers.append(old)
            listener._old.append(old)
            ending.create_task(listener._end_when_unused(old))
            listener._make_room()
        await until(lambda: len(listener._old) == MAX_OLD_SERVERS)
        stopped = [one.server.was_stopped for one in servers]
        assert stopped == [False] * MAX_OLD_SERVERS + [True] * 5
        for one in servers:
            one.servicer.is_unused.set()


async def test_a_library_that_hides_its_serving_task_is_looked_at_instead(harness):
    listening = harness.process._listener._current
    await attack(harness.port, {b":path": DEADLY[0]})
    listening.serving = None
    async with asyncio.timeout(LIMIT_S):
        await listening.wait_until_dead()


async def test_no_call_is_waited_for_by_its_name(make_harness, monkeypatch) -> None:
    """What the library waits with is freed when its loop dies, and written to by the next call of that name."""

    def fail(*_: object) -> None:
        raise AssertionError("a method was registered")

    monkeypatch.setattr(grpc.aio._server.Server, "add_registered_method_handlers", fail)
    harness = await make_harness()
    client = await harness.stream()
    assert (await client.result_of(harness.frame(0))).sequence == 0
    reply = await HealthStub(harness.channel()).Check(HealthCheckRequest(), timeout=LIMIT_S)
    assert reply.status == SERVING
