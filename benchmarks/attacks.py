"""What an attacker on loopback does to a server, one coroutine an attack; each goes on until it is cancelled.

    python benchmarks/attacks.py HOST:PORT NAME

`hostile.py` runs this as a process of its own. Nothing leaves the machine, and each attack is bounded: it opens what it says and no more,
and opens again after `PAUSE_S` what it is refused or loses.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import cv2
import google_crc32c
import grpc
import numpy as np
from raw_http2 import DATA, END_HEADERS, HEADERS, call_headers, frame, grpc_message, header, hello

from moonjelly.files.process import allow_many_files
from moonjelly.protos import serving_pb2 as pb
from moonjelly.protos import serving_pb2_grpc

PAUSE_S = 5.0
CALLS_PER_CONNECTION = 100
STREAM = b"/moonjelly.v1.Serving/Stream"
LINK = pb.LinkEstimate(bandwidth_kbps=1e5, wire_ms=0.5)
PICTURE_SIDE_PX = 2980  # 8.9 million pixels


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of each there is; the attacks of the benchmark as it stands."""

    connections: int = 2000
    unopened_calls: int = 1000
    silent_sessions: int = 1000
    registers_per_s: float = 200.0
    spoofs_per_s: float = 20.0
    picture_streams: int = 4
    picture_fps: float = 2.0
    stalled_readers: int = 8
    half_open: int = 500


@dataclass(frozen=True, slots=True)
class Target:
    """Whom it is done to.

    Attributes:
        address: HOST:PORT.
        victims: names of streams that others have.
    """

    address: str
    scale: Scale = Scale()
    victims: tuple[str, ...] = ("camera-0", "camera-1", "camera-2", "camera-3")

    def channel(self) -> grpc.aio.Channel:
        """A connection of its own."""
        own = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.insecure_channel(self.address, options=own)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw one."""
        host, _, port = self.address.rpartition(":")
        return await asyncio.open_connection(host, int(port))


async def connections(target: Target) -> None:
    """Connections that speak HTTP/2 and then say nothing."""
    await _many(target.scale.connections, lambda _: _left(target, hello(1 << 16)))


async def half_open(target: Target) -> None:
    """Connections that stop within the preface."""
    await _many(target.scale.half_open, lambda _: _left(target, hello(1 << 16)[:10]))


async def unopened(target: Target) -> None:
    """Calls of Stream over which nothing comes."""

    async def hold(stub: serving_pb2_grpc.ServingStub) -> None:
        await stub.Stream().code()

    await _with_stubs(target, target.scale.unopened_calls, hold)


async def silent(target: Target) -> None:
    """Sessions that are opened and send no frame."""
    names = itertools.count()

    async def hold(stub: serving_pb2_grpc.ServingStub) -> None:
        call = await _opened(stub, f"silent-{next(names)}", fps=1.0, slo_ms=1000.0)
        await call.code()

    await _with_stubs(target, target.scale.silent_sessions, hold)


async def register(target: Target) -> None:
    """Registrations of ever new names that are never opened."""
    names = itertools.count()
    async with target.channel() as channel:
        stub = serving_pb2_grpc.ServingStub(channel)
        await _at_rate(
            target.scale.registers_per_s,
            lambda: stub.Register(_registration(f"new-{next(names)}", 15.0, 150.0), timeout=5),
        )


async def spoof(target: Target) -> None:
    """Registrations of others' names, and sessions that are guessed."""
    turns = itertools.count()

    async def try_one() -> None:
        turn = next(turns)
        name = target.victims[turn % len(target.victims)]
        await stub.Register(_registration(name, 15.0, 150.0), timeout=5)

    async def guess() -> None:
        call = stub.Stream()
        await call.write(pb.ClientMessage(open=pb.Open(session="guessed")))
        await call.code()

    async with target.channel() as channel:
        stub = serving_pb2_grpc.ServingStub(channel)
        await asyncio.gather(
            _at_rate(target.scale.spoofs_per_s, try_one), _at_rate(target.scale.spoofs_per_s, guess)
        )


async def pictures(target: Target) -> None:
    """Streams of a small declared rate with pictures of 8.9 million pixels."""
    grey = np.full((PICTURE_SIDE_PX, PICTURE_SIDE_PX), 90, np.uint8)
    jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
    fps = target.scale.picture_fps

    async def send(number: int) -> None:
        async with target.channel() as channel:
            call = await _opened(
                serving_pb2_grpc.ServingStub(channel), f"picture-{number}", fps, slo_ms=1000.0
            )
            reading = asyncio.create_task(_read_all(call))
            try:
                for sequence in itertools.count():
                    await call.write(_frame(sequence, jpeg))
                    await asyncio.sleep(1 / fps)
            finally:
                reading.cancel()

    await _many(target.scale.picture_streams, send)


async def stalled(target: Target) -> None:
    """Streams whose client takes nothing that it is sent."""
    jpeg = cv2.imencode(".jpg", np.full((128, 128, 3), 90, np.uint8))[1].tobytes()
    fps = 15.0

    async def send(number: int) -> None:
        async with target.channel() as channel:
            stub = serving_pb2_grpc.ServingStub(channel)
            reply = await stub.Register(_registration(f"stalled-{number}", fps, 500.0), timeout=5)
        reader, writer = await target.connect()
        reading = asyncio.create_task(_drain(reader))
        try:
            block = b"".join(header(*one) for one in call_headers(STREAM))
            writer.write(hello(0) + frame(HEADERS, END_HEADERS, 1, block))
            messages = itertools.chain(
                [pb.ClientMessage(open=pb.Open(session=reply.session))],
                (_frame(sequence, jpeg, side_px=128) for sequence in itertools.count()),
            )
            for message in messages:
                if reading.done():
                    return
                body = grpc_message(message.SerializeToString())
                writer.write(frame(DATA, 0, 1, body))
                await writer.drain()
                await asyncio.sleep(1 / fps)
        finally:
            reading.cancel()
            writer.close()

    await _many(target.scale.stalled_readers, send)


ATTACKS: dict[str, Callable[[Target], Awaitable[None]]] = {
    "connections": connections,
    "unopened": unopened,
    "silent": silent,
    "register": register,
    "spoof": spoof,
    "pictures": pictures,
    "stalled": stalled,
    "half-open": half_open,
}


async def attack(target: Target, name: str) -> None:
    """One attack, or `all` together."""
    chosen = list(ATTACKS.values()) if name == "all" else [ATTACKS[name]]
    await asyncio.gather(*(one(target) for one in chosen))


def _registration(name: str, fps: float, slo_ms: float) -> pb.RegisterRequest:
    return pb.RegisterRequest(stream_id=name, fps=fps, slo_ms=slo_ms, link=LINK)


def _frame(sequence: int, jpeg: bytes, side_px: int = PICTURE_SIDE_PX) -> pb.ClientMessage:
    return pb.ClientMessage(
        frame=pb.Frame(
            sequence=sequence,
            width_px=side_px,
            height_px=side_px,
            jpeg_bytes=len(jpeg),
            jpeg_crc32c=google_crc32c.value(jpeg),
            jpeg=jpeg,
            link=LINK,
        )
    )


async def _opened(
    stub: serving_pb2_grpc.ServingStub, name: str, fps: float, slo_ms: float
) -> grpc.aio.StreamStreamCall[pb.ClientMessage, pb.ServerMessage]:
    reply = await stub.Register(_registration(name, fps, slo_ms), timeout=5)
    call = stub.Stream()
    await call.write(pb.ClientMessage(open=pb.Open(session=reply.session)))
    return call


async def _left(target: Target, words: bytes) -> None:
    """One connection that says this, until the server closes it."""
    reader, writer = await target.connect()
    try:
        writer.write(words)
        await _drain(reader)
    finally:
        writer.close()


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(4096):
        pass


async def _read_all(call: grpc.aio.StreamStreamCall[pb.ClientMessage, pb.ServerMessage]) -> None:
    async for _ in call:
        pass


async def _with_stubs(
    target: Target, count: int, hold: Callable[[serving_pb2_grpc.ServingStub], Awaitable[None]]
) -> None:
    """So many of something that is held, over as few connections as it takes."""
    async with contextlib.AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(target.channel())
            for _ in range(-(-count // CALLS_PER_CONNECTION))
        ]
        stubs = [serving_pb2_grpc.ServingStub(channel) for channel in channels]
        await _many(count, lambda number: hold(stubs[number % len(stubs)]))


async def _many(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """So many side by side, each again when it ends."""
    await asyncio.gather(*(_again(one, number, number / count) for number in range(count)))


async def _again(one: Callable[[int], Awaitable[None]], number: int, after_s: float) -> None:
    await asyncio.sleep(after_s)
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, OSError):
            await one(number)
        await asyncio.sleep(PAUSE_S)


async def _at_rate(per_s: float, one: Callable[[], Awaitable[object]]) -> None:
    """Begins so many a second, whatever became of those before."""
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_tolerant(one))
            await asyncio.sleep(1 / per_s)


async def _tolerant(one: Callable[[], Awaitable[object]]) -> None:
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await one()


def main() -> None:
    """Attacks until it is ended."""
    address, name = sys.argv[1:]
    allow_many_files()
    asyncio.run(attack(Target(address), name))


if __name__ == "__main__":
    main()
