"""Many streams of one client: as few connections as carry them."""

from __future__ import annotations

import asyncio
import contextlib

from fake_server import FakeServer
from streaming import check_account, few

from moonjelly import client as sdk
from moonjelly.client.access import NO_ACCESS
from moonjelly.client.connections import STREAMS_PER_CONNECTION, Connections

LIMIT = 128


async def test_a_client_has_a_connection_more_for_every_64_streams():
    connections = Connections("127.0.0.1:1", NO_ACCESS)
    taken = [connections.take() for _ in range(2 * STREAMS_PER_CONNECTION)]
    assert len(connections) == len(set(taken)) == 2
    connections.give_back(taken[0])
    assert connections.take() is taken[0], "room is used again"
    assert connections.take() not in taken
    assert len(connections) == 3
    await connections.close()


async def test_150_streams_of_one_client_are_all_served():
    async with (
        FakeServer(options=(("grpc.max_concurrent_streams", LIMIT),)) as server,
        sdk.connect(server.address) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        streams = [
            client.stream(
                few(1),
                fps=1,
                slo_ms=60_000,
                stream_id=f"camera-{number}",
                wire_ms=0,
                connect_timeout_s=60,
            )
            for number in range(150)
        ]
        await asyncio.gather(*(stack.enter_async_context(stream) for stream in streams))
        for stream in streams:
            answers = [answer async for answer in stream]
            assert len(answers) == 1
            assert answers[0].is_in_time
            check_account(stream, answers)
