"""What tests of shaped links share: a program that takes bytes in, and how to send to it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest

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
    """A connection that has got the sink's greeting."""
    host, _, port = address.rpartition(":")
    connection = socket.create_connection((host, int(port)), limit_s)
    assert connection.recv(1) == b"!"
    return connection


def send_for(connection: socket.socket, seconds: float) -> None:
    """Sends as much as a link takes, for a while."""
    end = time.monotonic() + seconds
    connection.settimeout(0.1)
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            connection.send(bytes(16384))


@pytest.fixture
def laboratory() -> SimpleNamespace:
    """The functions above, for tests of this folder."""
    return SimpleNamespace(running_sink=running_sink, connect=connect, send_for=send_for)
