"""Just enough HTTP/2 to be rude with: frames and headers as no library would send them."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY = 1, 4, 8, 32
INITIAL_WINDOW = 4  # the setting: how much a peer may send on a stream before it is asked for more


def frame(
    kind: int, flags: int, stream: int, body: bytes = b"", length: int | None = None
) -> bytes:
    """One frame, whose length may be a lie."""
    length = len(body) if length is None else length
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def header(name: bytes, value: bytes) -> bytes:
    """One header as HPACK writes what it has no index for."""

    def text(value: bytes) -> bytes:
        if len(value) < 127:
            return bytes([len(value)]) + value
        rest, size = len(value) - 127, b"\x7f"
        while rest >= 128:
            size += bytes([rest % 128 + 128])
            rest //= 128
        return size + bytes([rest]) + value

    return b"\x00" + text(name) + text(value)


def call_headers(path: bytes) -> list[tuple[bytes, bytes]]:
    """Headers of a sound call of gRPC."""
    return [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"x"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    ]


def hello(window_bytes: int) -> bytes:
    """What a client begins with; of each stream it takes that many bytes unasked."""
    return PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, window_bytes))


def grpc_message(body: bytes) -> bytes:
    """A message of gRPC as the body of a data frame."""
    return b"\0" + struct.pack(">I", len(body)) + body
