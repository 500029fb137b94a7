from __future__ import annotations

import resource
import select
import subprocess
import sys

import psutil
import pytest

from moonjelly.server.channel import Channel, socket_pair
from moonjelly.server.child import EXIT_ORPHANED
from moonjelly.server.config import DeviceConfig, DeviceKind, ServerConfig

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


def arguments(theirs, role: str = "executor") -> list[str]:
    return [*COMMAND, role, "0", "--control-fd", str(theirs.fileno())]


def await_ready(channel: Channel) -> None:
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    assert poll.poll(1000 * LIMIT_S)
    assert channel.receive()[0].HasField("ready")


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
    with subprocess.Popen(arguments(theirs), pass_fds=[theirs.fileno()]) as child:
        channel.send_bytes(config().to_json().encode())
        await_ready(channel)
        assert resource.prlimit(child.pid, resource.RLIMIT_CORE) == (0, 0)
        child.kill()


@pytest.mark.two_cores
@pytest.mark.parametrize("role", ["executor", "scheduler"])
def test_executors_keep_to_the_cores_of_their_device_and_the_others_off_them(ends, role):
    channel, theirs = ends
    first, *others = psutil.Process().cpu_affinity()
    device = DeviceConfig("device0", "gpu", DeviceKind.REPLAYED, cores=(first,))
    with subprocess.Popen(arguments(theirs, role), pass_fds=[theirs.fileno()]) as child:
        channel.send_bytes(config(devices=(device,)).to_json().encode())
        await_ready(channel)
        allowed = psutil.Process(child.pid).cpu_affinity()
        assert allowed == ([first] if role == "executor" else others)
        child.kill()


def test_unknown_roles_are_refused():
    done = subprocess.run(
        [*COMMAND, "cook", "0", "--control-fd", "0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "cook" in done.stderr
