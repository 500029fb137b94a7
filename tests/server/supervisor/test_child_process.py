"""A child that is let go leaves by itself, or is killed."""

from __future__ import annotations

import signal
import sys

import pytest

from moonjelly.devices.config import DeviceConfig
from moonjelly.server.config import ServerConfig
from moonjelly.server.supervisor.child_process import ChildProcess

LEAVES = """
import select, sys
poll = select.poll()
poll.register(int(sys.argv[-1]), 0)  # hang-up alone
poll.poll()
"""
STAYS = "import time; time.sleep(600)"


@pytest.mark.parametrize(
    ("code", "limit_s", "status"), [(LEAVES, 60.0, 0), (STAYS, 0.1, -signal.SIGKILL)]
)
def test_a_child_that_is_let_go_leaves_by_itself_or_is_killed(
    code: str, limit_s: float, status: int
) -> None:
    child = ChildProcess("governor", 0)
    child.let_go(limit_s)  # there is none
    child.start((sys.executable, "-c", code), ServerConfig(devices=(DeviceConfig("cpu0", "c"),)))
    child.let_go(limit_s)
    assert child.bury() == status
