"""What tests of shaped links share: a program that takes bytes in, and how to send to it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import pytest

SEND_BUFFER_BYTES = 32 * 1024
TRIES = 5
SINK = """
import json, socket, threading, time

def take(connection):
    times, total = [], 0
    try:
        connection.sendall(b"!")
        while data := connection.recv(65536):
            total += len(data)
            times.append((time.monotonic(), total))
        end = "closed"
    except OSError as error:
        end = type(error).__name__
    print(json.dumps({"times": times, "end": end}), flush=True)

listener = socket.create_server(("0.0.0.0", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=take, args=listener.accept()[:1], daemon=True).start()
"""


class Sink:
    """A server that greets each connection with one byte, takes bytes in, and tells when they came."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = f"127.0.0.1:{int(process.stdout.readline())}"

    def report(self, limit_s: float = 60.0) -> dict:
        """What the next connection that ended brought: times and totals, and how it ended."""
        killer = threading.Timer(limit_s, self._process.kill)
        killer.start()
        line = self._process.stdout.readline()
        killer.cancel()
        assert line, "no connection ended in time"
        return json.loads(line)


@contextlib.contextmanager
def running_sink(server_command: Sequence[str]) -> Iterator[Sink]:
    """Runs a sink where the links of a shaper lead."""
    command = [*server_command, sys.executable, "-c", SINK]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Sink(process)
        finally:
            process.kill()


def connect(address: str, limit_s: float = 10.0) -> socket.socket:
    """A connection that has got the sink's greeting, and lets little wait for the link."""
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), limit_s)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    assert connection.recv(1) == b"!"
    return connection


def send_for(connection: socket.socket, seconds: float) -> None:
    """Sends as much as a link takes, for a while."""
    end = time.monotonic() + seconds
    connection.settimeout(0.1)
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            connection.send(bytes(16384))


def send_until_stuck(connection: socket.socket) -> None:
    """Sends until the link takes nothing for a second."""
    connection.settimeout(1.0)
    with contextlib.suppress(TimeoutError):
        while True:
            connection.send(bytes(16384))


def carried(sink: Sink, address: str, seconds: float) -> tuple[float, float]:
    """What a link carries for a sender that sends for a while: megabits, and the seconds until they were there."""
    start_s = time.monotonic()
    with connect(address) as connection:
        send_for(connection, seconds)
    end_s, total = sink.report()["times"][-1]
    return total * 8 / 1e6, end_s - start_s


def in_some_try(passes: Callable[[], bool]) -> bool:
    """Whether something is so at least once in several tries; for what a busy machine can spoil, never for more."""
    return any(passes() for _ in range(TRIES))


@pytest.fixture
def laboratory() -> SimpleNamespace:
    """The functions above, for tests of this folder."""
    return SimpleNamespace(
        running_sink=running_sink,
        connect=connect,
        send_for=send_for,
        send_until_stuck=send_until_stuck,
        carried=carried,
        in_some_try=in_some_try,
    )
