"""HTTP/2 that no library would send, at the port of an endpoint."""

from __future__ import annotations

import asyncio
import random
import struct
from typing import Any

from endpoint_under_fire import EndpointUnderFire, harness_module
from hypothesis import strategies as st
from raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    WINDOW,
    call_headers,
    frame,
    header,
)

QUIET_S = 0.02  # after which the server is taken to have said what it has to say
MOST_READ = 1 << 20
STREAM, REGISTER = b"/moonjelly.v1.Serving/Stream", b"/moonjelly.v1.Serving/Register"
PATHS = (STREAM, REGISTER, b"/grpc.health.v1.Health/Watch", b"/grpc.health.v1.Health/Check")
ODD_PATHS = (
    b"",
    b"/",
    b"/x\xff",
    b"\xff\xfe",
    b"/x\0y",
    b"*",
    b"/a/b/c",
    b"/" + b"y" * 3000,
    b"//",
)
ODD_VALUES = (
    b"",
    b"\xff",
    b"\0",
    b"a\r\nb: c",
    b"z" * 5000,
    b"1S",
    b"99999999999H",
    b"-1m",
    b"gzip",
)
NAMES = (
    *(b":method", b":scheme", b":path", b":authority", b":status", b":x", b"te", b"content-type"),
    *(b"grpc-timeout", b"grpc-encoding", b"grpc-status", b"grpc-message", b"user-agent", b"x-bin"),
    *(b"Upper", b"", b"connection", b"content-length", b"grpc-tags-bin", b"x\xff", b"host"),
)


def headers(rng: random.Random) -> bytes:
    """Headers of a call, as they should be but for one or two."""
    wanted = call_headers(rng.choice(ODD_PATHS if rng.random() < 0.2 else PATHS))
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        at, what = rng.randrange(len(wanted)), rng.random()
        if what < 0.3:
            wanted[at] = (wanted[at][0], rng.choice(ODD_VALUES))
        elif what < 0.5:
            del wanted[at]
        elif what < 0.6:
            wanted.insert(at, rng.choice(wanted))
        else:
            wanted.insert(at, (rng.choice(NAMES), rng.choice(ODD_VALUES)))
    block = b"".join(header(name, value) for name, value in wanted)
    if rng.random() < 0.1:
        at = rng.randrange(len(block))
        block = block[:at] + rng.randbytes(rng.randrange(4)) + block[at + 1 :]
    return block


def grpc_message(rng: random.Random) -> bytes:
    body = rng.choice(
        (
            b"",
            rng.randbytes(rng.randrange(40)),
            harness_module.registration("raw").SerializeToString(),
            harness_module.frame(0).SerializeToString(),
            harness_module.open_of("no such session").SerializeToString(),
        )
    )
    length = rng.choice((len(body), len(body), len(body), len(body) + 5, 0, 2**32 - 1))
    return bytes([rng.choice((0, 0, 0, 0, 1, 7))]) + struct.pack(">I", length) + body


def odd_frame(rng: random.Random, stream: int) -> bytes:
    """One frame, mostly of a call."""
    stream = stream if rng.random() < 0.85 else rng.choice((0, 1, 2, 3, 2**31 - 1, 2**31 + 1))
    kind = rng.choice((DATA, DATA, HEADERS, HEADERS, *range(10), rng.randrange(256)))
    flags = rng.choice((0, END_HEADERS, END_STREAM, END_HEADERS | END_STREAM, rng.randrange(256)))
    body = {
        DATA: lambda: grpc_message(rng),
        HEADERS: lambda: headers(rng),
        RESET: lambda: struct.pack(">I", rng.randrange(20)),
        SETTINGS: lambda: struct.pack(
            ">HI", rng.randrange(8), rng.choice((0, 1, 2**31, 2**32 - 1))
        ),
        PING: lambda: rng.randbytes(8),
        GOAWAY: lambda: rng.randbytes(8),
        WINDOW: lambda: struct.pack(">I", rng.choice((0, 1, 2**31 - 1, 2**32 - 1))),
    }.get(kind, lambda: rng.randbytes(rng.randrange(30)))()
    length = None if rng.random() < 0.95 else rng.choice((0, len(body) + 1, 2**24 - 1))
    return frame(kind, flags, stream, body, length)


def conversation(rng: random.Random) -> bytes:
    """What a client sends on one connection."""
    start = PREFACE if rng.random() < 0.95 else PREFACE[: rng.randrange(24)] + rng.randbytes(4)
    data = [start, frame(SETTINGS, 0, 0)]
    for number in range(rng.randint(1, 4)):
        stream = 2 * number + 1
        if rng.random() < 0.7:
            data.append(frame(HEADERS, END_HEADERS, stream, headers(rng)))
        data += [odd_frame(rng, stream) for _ in range(rng.randrange(5))]
    return b"".join(data)


async def say(port: int, data: bytes) -> bytes:
    """Sends bytes over a connection of their own, and reads until nothing more comes."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except ConnectionRefusedError:  # the port is being opened anew
            await asyncio.sleep(0.05)
    said = b""
    try:
        writer.write(data)
        while len(said) < MOST_READ:
            async with asyncio.timeout(QUIET_S):
                part = await reader.read(1 << 16)
            if not part:
                break
            said += part
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.transport.abort()
    return said


def test_odd_http2_closes_neither_the_port_nor_fills_the_log(fuzz) -> None:
    async def shot(harness: Any) -> None:
        said = await say(harness.port, conversation(rng))
        for word in (b"Traceback", b".py", b"/usr/", b"/home/"):
            assert word not in said

    rng = random.Random()
    with EndpointUnderFire.running() as under_fire:

        def check(number: int) -> None:
            rng.seed(number)
            under_fire.shoot(shot)

        fuzz(check, st.integers(0, 2**64 - 1), examples=20)
