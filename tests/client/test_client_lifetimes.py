"""Clients and streams that are entered, left and used in ways that were not meant: said, and never a hang."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from fake_server import FakeServer, until, unused_address
from streaming import FLAT, check_account, few, streaming

from moonjelly import client as sdk
from moonjelly.client import ArraySource
from moonjelly.protos import serving_pb2 as pb

STREAM = {"fps": 50, "slo_ms": 2000}


def in_a_thread(function):
    """What a function raises in another thread; it must not hang there."""
    caught = []

    def call():
        try:
            function()
        except BaseException as error:  # noqa: BLE001 whatever it is, the test looks at it
            caught.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "it hangs"
    return caught[0] if caught else None


# Without async.


def test_a_sync_client_that_is_not_entered_says_how():
    error = in_a_thread(lambda: sdk.connect_sync("127.0.0.1:1").stream(few(1), **STREAM))
    assert isinstance(error, RuntimeError)
    assert "with connect_sync(...) as client" in str(error)


def test_a_sync_stream_that_is_not_entered_says_how(threaded_server):
    with sdk.connect_sync(threaded_server.address) as client:
        stream = client.stream(few(1), **STREAM)
        error = in_a_thread(lambda: list(stream))
        assert isinstance(error, RuntimeError)
        assert "is not entered" in str(error)


def test_a_sync_client_that_was_left_says_so(threaded_server):
    with sdk.connect_sync(threaded_server.address) as client:
        never_entered = client.stream(few(1), **STREAM)
        with client.stream(few(1), **STREAM) as left:
            pass
    for use in (
        lambda: client.stream(few(1), **STREAM),
        never_entered.__enter__,
        lambda: list(left),
    ):
        assert isinstance(in_a_thread(use), RuntimeError)
    assert in_a_thread(left.stop) is None
    assert in_a_thread(lambda: client.__exit__(None, None, None)) is None
    with client, client.stream(few(3), **STREAM) as stream:
        assert len(list(stream)) == 3, "it may be entered again"


def test_a_sync_client_is_entered_once_at_a_time(threaded_server):
    with sdk.connect_sync(threaded_server.address) as client:
        assert "entered already" in str(in_a_thread(client.__enter__))
        with client.stream(few(3), **STREAM) as stream:
            assert "entered before" in str(in_a_thread(stream.__enter__))
            assert len(list(stream)) == 3


def test_a_sync_client_may_be_left_in_another_thread(threaded_server):
    client = sdk.connect_sync(threaded_server.address).__enter__()
    stream = client.stream(ArraySource([FLAT]), **STREAM).__enter__()
    assert in_a_thread(lambda: stream.__exit__(None, None, None)) is None
    assert in_a_thread(lambda: client.__exit__(None, None, None)) is None
    assert stream.stream.ledger.lost == 0


def test_a_sync_stream_that_is_left_open_ends_with_its_client(threaded_server):
    with sdk.connect_sync(threaded_server.address) as client:
        stream = client.stream(ArraySource([FLAT]), **STREAM).__enter__()
        reading = threading.Thread(target=lambda: in_a_thread(lambda: list(stream)), daemon=True)
        reading.start()
        while len(threaded_server.frames) < 3:
            time.sleep(0.01)
    reading.join(30)
    assert not reading.is_alive()
    assert stream.stream.ledger.lost == 0


def test_a_sync_client_that_is_left_ends_what_another_thread_waits_for(threaded_server):
    threaded_server.refusal = pb.Refusal(reason=pb.Refusal.NOT_READY)
    errors = []
    with sdk.connect_sync(threaded_server.address) as client:
        stream = client.stream(few(1), connect_timeout_s=600, **STREAM)
        entering = threading.Thread(
            target=lambda: errors.append(in_a_thread(stream.__enter__)), daemon=True
        )
        entering.start()
        while not threaded_server.registrations:
            time.sleep(0.01)
    entering.join(40)
    assert not entering.is_alive()
    assert isinstance(errors[0], RuntimeError)


def test_two_threads_that_iterate_one_stream_are_told(threaded_server):
    threaded_server.num_results = 0
    with (
        sdk.connect_sync(threaded_server.address) as client,
        client.stream(few(1), fps=1, slo_ms=2000) as stream,
    ):
        answers = []
        first = threading.Thread(target=lambda: answers.extend(stream), daemon=True)
        first.start()
        while not stream.stream._inbox._is_read:
            time.sleep(0.001)
        assert "iterated twice" in str(in_a_thread(lambda: list(stream)))
        first.join(30)
    assert len(answers) == 1


async def test_a_sync_client_inside_an_event_loop_is_refused(threaded_server):
    with pytest.raises(RuntimeError, match="async with connect"):
        sdk.connect_sync(threaded_server.address).__enter__()


def test_a_sync_client_whose_start_fails_leaves_no_thread(monkeypatch):
    async def fail(self):
        raise OSError("no descriptors left")

    monkeypatch.setattr(sdk.Client, "__aenter__", fail)
    with pytest.raises(OSError, match="no descriptors"):
        sdk.connect_sync("127.0.0.1:1").__enter__()
    assert "moonjelly-client" not in {thread.name for thread in threading.enumerate()}


# With async.


async def test_a_stream_that_is_not_entered_says_how():
    async with sdk.connect("127.0.0.1:1") as client:
        stream = client.stream(few(1), **STREAM)
        with pytest.raises(RuntimeError, match="is not entered"):
            await asyncio.wait_for(anext(stream), 10)


async def test_a_client_that_was_left_says_so():
    async with sdk.connect("127.0.0.1:1") as client:
        stream = client.stream(few(1), **STREAM)
    with pytest.raises(RuntimeError, match="not connected"):
        client.stream(few(1), **STREAM)
    with pytest.raises(RuntimeError, match="closed"):
        await stream.__aenter__()
    await client.__aexit__(None, None, None)


async def test_a_client_is_entered_once_at_a_time():
    client = sdk.connect("127.0.0.1:1")
    for _ in range(2):
        async with client:
            with pytest.raises(RuntimeError, match="entered already"):
                await client.__aenter__()


async def test_a_stream_is_good_for_once():
    async with FakeServer() as server, sdk.connect(server.address) as client:
        stream = client.stream(few(3), **STREAM)
        async with stream:
            with pytest.raises(RuntimeError, match="entered before"):
                await stream.__aenter__()
            answers = [answer async for answer in stream]
        with pytest.raises(RuntimeError, match="entered before"):
            await stream.__aenter__()
        assert [answer async for answer in stream] == [], "it is over"
        check_account(stream, answers)
    assert [answer async for answer in stream] == []


async def test_two_tasks_that_iterate_one_stream_are_told():
    async with (
        FakeServer(num_results=0) as server,
        streaming(server.address, few(1), fps=1, slo_ms=2000) as stream,
    ):
        first = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="iterated twice"):
            await anext(stream)
        assert (await first).sequence == 0


def test_a_client_of_another_loop_is_refused():
    client = sdk.connect("127.0.0.1:1")
    streams = []

    async def enter():
        await client.__aenter__()
        streams.append(client.stream(few(1), **STREAM))

    asyncio.run(enter())

    async def use():
        with pytest.raises(RuntimeError, match="another event loop"):
            await streams[0].__aenter__()
        with pytest.raises(RuntimeError, match="another event loop"):
            await client.__aexit__(None, None, None)

    asyncio.run(use())


def test_a_stream_of_another_loop_is_refused(threaded_server):
    async def enter():
        client = await sdk.connect(threaded_server.address).__aenter__()
        stream = await client.stream(few(3), **STREAM).__aenter__()
        await until(lambda: stream.ledger.captured == 3)
        await client.__aexit__(None, None, None)
        return stream

    stream = asyncio.run(enter())

    async def use():
        with pytest.raises(RuntimeError, match="another event loop"):
            await anext(stream)
        with pytest.raises(RuntimeError, match="another event loop"):
            await stream.__aexit__(None, None, None)
        stream.stop()

    asyncio.run(use())
    assert stream.ledger.lost == 0


async def test_streams_that_are_left_open_end_with_their_client():
    async with FakeServer(num_results=0) as server:
        async with sdk.connect(server.address) as client:
            stream = await client.stream(ArraySource([FLAT]), **STREAM).__aenter__()
            await until(lambda: len(server.frames) > 2)
        answers = [answer async for answer in stream]
        check_account(stream, answers)
        await until(lambda: server.num_open == 0)


async def test_a_block_that_is_left_at_once_closes_the_source():
    class Closing(ArraySource):
        num_closed = 0

        def close(self):
            self.num_closed += 1

    source = Closing([FLAT])
    async with FakeServer() as server, sdk.connect(server.address) as client:
        stream = client.stream(source, **STREAM)
        with pytest.raises(ZeroDivisionError):
            async with stream:
                raise ZeroDivisionError  # before its task has begun
        await until(lambda: source.num_closed == 1)
        assert [answer async for answer in stream] == []


async def test_a_source_is_closed_in_its_thread_when_no_server_is_there():
    class Closing(ArraySource):
        closed_in = None

        def close(self):
            self.closed_in = threading.current_thread()

    source = Closing([FLAT])
    async with unused_address() as address, sdk.connect(address) as client:
        with pytest.raises(sdk.Unavailable):
            await client.stream(source, connect_timeout_s=0.2, **STREAM).__aenter__()
        await until(lambda: source.closed_in is not None)
    assert source.closed_in is not threading.current_thread()


async def test_a_stream_can_be_stopped_from_any_thread():
    async with (
        FakeServer() as server,
        streaming(server.address, ArraySource([FLAT]), **STREAM) as stream,
    ):
        answers = []
        async for answer in stream:
            answers.append(answer)
            if len(answers) == 3:
                await asyncio.to_thread(stream.stop)
    check_account(stream, answers)
