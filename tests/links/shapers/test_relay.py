from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.core.errors import RunError
from moonjelly.links.shapers import FaultKind, LinkConfig, Way
from moonjelly.links.shapers.relay import Link
from moonjelly.links.shapers.token_bucket import (
    CATCH_UP_MS,
    MAX_CHUNK_BYTES,
    MIN_CHUNK_BYTES,
    TokenBucket,
)
from moonjelly.links.traces import LinkTrace, constant_trace


@contextlib.asynccontextmanager
async def echo_server():
    """Counts what comes in, and sends it back."""
    arrived, broken = [], asyncio.Event()

    async def serve(reader, writer):
        try:
            while data := await reader.read(65536):
                arrived.append((time.monotonic(), len(data)))
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            broken.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", arrived, broken


def test_chunks_leave_a_link_exactly_at_its_rate():
    bucket = TokenBucket(8000.0)  # 1000 bytes a ms
    assert bucket.reserve(4000, 100.0, has_waited=False) == 104.0
    assert bucket.reserve(4000, 104.5, has_waited=True) == 108.0, "late by 0.5 ms, made up for"
    assert bucket.reserve(4000, 500.0, has_waited=False) == 504.0, "a pause saves nothing up"
    late = bucket.reserve(1000, 900.0, has_waited=True)
    assert late == 900.0 - CATCH_UP_MS + 1, "only so much is made up for"


def test_an_outage_is_not_made_up_for():
    bucket = TokenBucket(8000.0)
    bucket.reserve(1000, 0.0, has_waited=False)
    bucket.set_rate(0, 1.0)
    with pytest.raises(ValueError, match="outage"):
        bucket.reserve(1000, 10.0, has_waited=True)
    bucket.set_rate(4000, 3000.0)
    assert bucket.reserve(1000, 3000.0, has_waited=True) == 3002.0


@settings(max_examples=50, deadline=None)
@given(
    rate_kbps=st.floats(1, 1e6),
    chunks=st.lists(
        st.tuples(st.integers(1, 20_000), st.floats(0, 30), st.booleans()), min_size=1, max_size=40
    ),
)
def test_a_link_never_carries_more_than_its_rate(rate_kbps, chunks):
    bucket = TokenBucket(rate_kbps)
    assert MIN_CHUNK_BYTES <= bucket.chunk_bytes <= MAX_CHUNK_BYTES
    now_ms, left_ms, total = 0.0, 0.0, 0
    for num_bytes, pause_ms, has_waited in chunks:
        now_ms += pause_ms
        total += num_bytes
        before_ms, left_ms = left_ms, bucket.reserve(num_bytes, now_ms, has_waited)
        assert left_ms > before_ms - CATCH_UP_MS
    assert total * 8 <= rate_kbps * (left_ms + CATCH_UP_MS) * (1 + 1e-9)


async def test_bytes_arrive_unchanged_and_both_ends_hear_of_the_end():
    async with echo_server() as (address, _, _), Link(LinkConfig("a", address)) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        sent = bytes(range(256)) * 2000
        writer.write(sent)
        writer.write_eof()
        assert await reader.read(-1) == sent
        writer.close()
        await writer.wait_closed()


async def test_the_delivered_rate_is_the_rate_of_the_link():
    async def seconds_for(num_bytes):
        trace = constant_trace(8.0)
        async with (
            echo_server() as (address, arrived, _),
            Link(LinkConfig("a", address, trace)) as link,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            started = time.monotonic()
            writer.write(bytes(num_bytes))
            writer.write_eof()
            await reader.read(-1)
            writer.close()
            await writer.wait_closed()
        return arrived[-1][0] - started

    fastest_s = min(
        [await seconds_for(300_000) for _ in range(3)]
    )  # slower where the machine is busy
    assert 0.3 * 0.97 <= fastest_s <= 0.3 * 1.25


async def test_a_sender_feels_a_slow_link():
    async with (
        echo_server() as (address, _, _),
        Link(LinkConfig("a", address, constant_trace(0.1))) as link,
    ):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
            client.connect(("127.0.0.1", link.port))
            client.setblocking(False)
            taken = 0
            loop = asyncio.get_running_loop()
            end = loop.time() + 0.5
            while loop.time() < end:
                with contextlib.suppress(BlockingIOError):
                    taken += client.send(bytes(4096))
                await asyncio.sleep(0.005)
        assert taken < 150_000, "the relay must not swallow what the link cannot carry"


async def test_the_delay_is_added_each_way():
    async with echo_server() as (address, _, _), Link(LinkConfig("a", address, wire_ms=40)) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        started = time.monotonic()
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        assert time.monotonic() - started >= 0.08
        writer.close()
        await writer.wait_closed()


async def test_an_outage_holds_everything_back_and_loses_nothing():
    rates = []
    async with echo_server() as (address, arrived, _):
        config = LinkConfig("a", address, constant_trace(20.0))
        async with Link(config, lambda _, rate: rates.append(rate)) as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            link.set_rate_kbps(Way.BOTH, 0)
            writer.write(b"two")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(3), 0.2)
            assert sum(size for _, size in arrived) == 3
            link.set_rate_kbps(Way.BOTH, 20_000)
            assert await reader.readexactly(3) == b"two"
            writer.close()
            await writer.wait_closed()
    assert rates == [20_000, 0, 20_000]


async def test_a_reset_reaches_both_ends():
    async with echo_server() as (address, _, broken), Link(LinkConfig("a", address)) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"one")
        await reader.readexactly(3)
        await link.break_connections(FaultKind.RESET)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
        await asyncio.wait_for(broken.wait(), 30)


async def test_a_server_that_is_not_there_looks_so_through_the_link():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    async with Link(LinkConfig("a", address)) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


async def test_a_trace_sets_the_rate_again_and_again():
    rates, is_enough = [], asyncio.Event()

    def take(_, rate):
        rates.append(rate)
        if len(rates) == 7:
            is_enough.set()

    trace = LinkTrace((4.0, 0.0, 2.0), period_s=0.02)
    async with Link(LinkConfig("a", "127.0.0.1:1", trace), take):
        await asyncio.wait_for(is_enough.wait(), 30)
    assert set(rates) == {4000.0, 0.0, 2000.0}
    assert rates[0] == 4000.0


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../etc", "server": "127.0.0.1:1"},
        {"name": "a", "server": "127.0.0.1"},
        {"name": "a", "server": ":1"},
        {"name": "a", "server": "127.0.0.1:0"},
        {"name": "a", "server": "127.0.0.1:1", "wire_ms": -1},
    ],
)
def test_a_bad_link_is_refused(fields):
    with pytest.raises(ValueError, match="="):
        LinkConfig(**fields)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("is_dead", [False, True])
async def test_connections_to_the_server_come_from_the_source_port_one_after_the_other(is_dead):
    peers = []

    async def greet(reader, writer):
        peers.append(writer.get_extra_info("peername")[1])
        writer.write(b"!")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    port = free_port()
    async with server, Link(LinkConfig("cam", address, source_port=port)) as link:
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            assert await asyncio.wait_for(reader.readexactly(1), 10) == b"!"
            if is_dead:  # nobody hears of its end
                link.set_rate_kbps(Way.UP, 0)
            writer.close()
            await writer.wait_closed()
            link.set_rate_kbps(Way.UP, 8000)
    assert peers == [port] * 4


async def test_a_source_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=f"source_port={port}: Address already in use"):
            async with Link(LinkConfig("cam", "127.0.0.1:1", source_port=port)):
                pass
