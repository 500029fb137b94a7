from __future__ import annotations

import json
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from moonjelly.core.checks import require_id
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.protos.internal_pb2 import Attach, Envelope
from moonjelly.server.child import EXIT_CRASHED, EXIT_ORPHANED, is_ours
from moonjelly.server.config import ServerConfig
from moonjelly.server.wire.channel import Channel, socket_pair

LIMIT_S = 60
COMMAND = (sys.executable, "-P", "-m", "moonjelly.server.child")
PARENT = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:], pass_fds=[int(sys.argv[1])])
print(child.pid, flush=True)
child.wait()
"""


def config(**options: object) -> ServerConfig:
    device = DeviceConfig("device0", "gpu", DeviceKind.REPLAYED)
    return ServerConfig(**{"zoo": "replayed-gpu", "devices": (device,)} | options)


@pytest.fixture
def ends():
    ours, theirs = socket_pair()
    channel = Channel(ours)
    yield channel, theirs
    channel.close()
    theirs.close()


@contextmanager
def started(theirs, role: str = "executor", *prefix: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child, killed at the end."""
    command = [*prefix, *arguments(theirs, role)]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]) as child:
        try:
            yield child
        finally:
            child.kill()


def arguments(theirs, role: str = "executor") -> list[str]:
    return [*COMMAND, role, "0", "1", "--control-fd", str(theirs.fileno())]


def await_packet(channel: Channel, kind: str) -> Envelope:
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    limit_s = time.monotonic() + LIMIT_S
    while True:
        assert poll.poll(1000 * (limit_s - time.monotonic()))
        packet = channel.receive()
        if packet is not None and packet[0].HasField(kind):
            return packet[0]


def await_ready(channel: Channel) -> None:
    await_packet(channel, "ready")


def test_a_supervisor_that_is_gone_at_once_is_noticed(ends):
    channel, theirs = ends
    channel.close()
    child = subprocess.Popen(arguments(theirs), pass_fds=[theirs.fileno()])
    theirs.close()
    assert child.wait(LIMIT_S) == EXIT_ORPHANED


def test_a_child_dies_with_its_parent_although_it_can_do_nothing_for_it(ends):
    channel, theirs = ends
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(theirs.fileno()), *arguments(theirs)],
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
    )
    with parent:
        child = psutil.Process(int(parent.stdout.readline()))
        channel.send_bytes(config().to_json().encode())
        await_ready(channel)
        child.suspend()  # and its control socket stays open, here
        parent.kill()
    child.wait(LIMIT_S)


def test_no_child_leaves_a_core_file(ends):
    channel, theirs = ends
    with started(theirs) as child:
        channel.send_bytes(config().to_json().encode())
        await_ready(channel)
        assert resource.prlimit(child.pid, resource.RLIMIT_CORE) == (0, 0)


@pytest.mark.two_cores
@pytest.mark.parametrize("role", ["executor", "scheduler"])
def test_executors_keep_to_the_cores_of_their_device_and_the_others_off_them(ends, role):
    channel, theirs = ends
    first, *others = psutil.Process().cpu_affinity()
    device = DeviceConfig("device0", "gpu", DeviceKind.REPLAYED, cores=(first,))
    with started(theirs, role) as child:
        channel.send_bytes(config(devices=(device,)).to_json().encode())
        await_ready(channel)
        allowed = psutil.Process(child.pid).cpu_affinity()
        assert allowed == ([first] if role == "executor" else others)


@pytest.mark.parametrize("role", ["endpoint", "scheduler", "executor"])
def test_a_callback_that_fails_ends_the_process(ends, role, capfd):
    channel, theirs = ends
    with started(theirs, role) as child:
        channel.send_bytes(config(port=0).to_json().encode())
        await_ready(channel)
        channel.send(Envelope(attach=Attach(peer="scheduler-0")))  # without its descriptor
        assert child.wait(LIMIT_S) == EXIT_CRASHED
    assert "Traceback" in capfd.readouterr().out


@pytest.mark.parametrize("role", ["endpoint", "scheduler", "executor", "governor"])
def test_every_role_beats_while_it_is_idle(ends, role, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # of a governor's claim
    channel, theirs = ends
    with started(theirs, role):
        channel.send_bytes(config(port=0).to_json().encode())
        await_ready(channel)
        for _ in range(4):
            await_packet(channel, "heartbeat")


def test_a_task_of_a_library_that_fails_ends_nothing():
    try:
        json.loads("{")
    except ValueError as error:
        theirs = error.with_traceback(error.__traceback__.tb_next)
    with pytest.raises(ValueError, match="role") as ours:
        require_id("role", "?")
    assert is_ours(ours.value)
    assert not is_ours(theirs)


def test_every_child_may_open_as_many_files_as_the_machine_allows(ends):
    channel, theirs = ends
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = ("prlimit", f"--nofile={min(256, soft)}:{hard}")
    with started(theirs, "executor", *lowered) as child:
        channel.send_bytes(config().to_json().encode())
        await_ready(channel)
        assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (hard, hard)


def test_unknown_roles_are_refused():
    done = subprocess.run(
        [*COMMAND, "cook", "0", "1", "--control-fd", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "cook" in done.stderr
