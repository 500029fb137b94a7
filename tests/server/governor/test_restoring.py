"""Clocks are as before, whatever ends: an executor, the server, its supervisor by SIGKILL, or the governor itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from moonjelly.devices.config import DeviceConfig
from moonjelly.server.config import ServerConfig

CHILD = Path(__file__).with_name("governed_child.py")
MAIN = """
import sys
from moonjelly.server.config import ServerConfig
from moonjelly.server.log import set_up_log
from moonjelly.server.supervisor.supervisor import Supervisor
set_up_log("supervisor", "info")
config = ServerConfig.from_json(sys.argv[1])
sys.exit(Supervisor(config, lambda host, port: None, sys.argv[2:], has_governor=True).run())
"""
LIMIT_S = 30.0
RESTORED_S = 2.0
NUM_CHILDREN = 4  # one that dies before all are ready ends the start
CPUFREQ = "devices/system/cpu/cpu0/cpufreq"
KERNEL = {
    f"{CPUFREQ}/scaling_available_frequencies": "2000000 1500000 600000",
    f"{CPUFREQ}/scaling_min_freq": 600_000,
    f"{CPUFREQ}/scaling_max_freq": 2_000_000,
    f"{CPUFREQ}/scaling_cur_freq": 1_500_000,
}
AS_BEFORE = ("600000", "2000000")
AS_ASKED = ("1500000", "1500000")


class Governed:
    """A server with one CPU device, whose executor asks for 1500 MHz."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "sys"
        self.state = folder / "state"
        for name, text in KERNEL.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, asked_mhz: int = 1500) -> None:
        device = DeviceConfig("cpu0", "cpu-1core", cores=(0,))
        config = ServerConfig(port=0, devices=(device,), frame_slots=2, max_frame_bytes=4096)
        variables = {"TREE": self.tree, "XDG_STATE_HOME": self.state, "ASKED_MHZ": asked_mhz}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", MAIN, config.to_json(), sys.executable, str(CHILD)],
                stderr=log,
                env=os.environ | {name: str(value) for name, value in variables.items()},
            )

    def clocks(self) -> tuple[str, ...]:
        names = ("scaling_min_freq", "scaling_max_freq")
        return tuple((self.tree / CPUFREQ / name).read_text().strip() for name in names)

    def until(self, condition: Callable[[], bool], limit_s: float = LIMIT_S) -> float:
        """Waits; returns how long that took."""
        began_s = time.monotonic()
        while not condition():
            assert time.monotonic() < began_s + limit_s, self.log.read_text()
            time.sleep(0.02)  # a file of the kernel tells nobody that it has changed
        return time.monotonic() - began_s

    def until_clocks(self, wanted: tuple[str, ...], limit_s: float = LIMIT_S) -> float:
        return self.until(lambda: self.clocks() == wanted, limit_s)

    def until_served(self) -> None:
        self.until_clocks(AS_ASKED)
        self.until(lambda: self.log.read_text().count(": ready") == NUM_CHILDREN)

    def child(self, role: str) -> psutil.Process:
        assert self.process is not None
        for one in psutil.Process(self.process.pid).children():
            if role in one.cmdline():
                return one
        raise AssertionError(self.log.read_text())

    @property
    def claim(self) -> Path:
        return self.state / "moonjelly/clocks.json"


@pytest.fixture
def governed(tmp_path) -> Iterator[Governed]:
    made = Governed(tmp_path)
    yield made
    if made.process is not None:
        try:
            governor = made.child("governor")
        except (psutil.NoSuchProcess, AssertionError):
            governor = None
        if made.process.poll() is None:
            made.process.kill()
        made.process.wait()
        if governor is not None:
            governor.wait(LIMIT_S)


def test_a_server_that_ends_puts_clocks_back_and_leaves_no_claim(governed):
    governed.start()
    governed.until_clocks(AS_ASKED)
    assert json.loads(governed.claim.read_text()) == {
        "cpu0": {
            str(governed.tree / CPUFREQ / "scaling_min_freq"): "600000",
            str(governed.tree / CPUFREQ / "scaling_max_freq"): "2000000",
        }
    }
    governed.process.send_signal(signal.SIGTERM)
    assert governed.process.wait(LIMIT_S) == 0
    assert governed.clocks() == AS_BEFORE
    assert not governed.claim.exists()


def test_a_server_that_is_killed_has_its_clocks_back_within_two_seconds(governed):
    governed.start()
    governed.until_clocks(AS_ASKED)
    governor = governed.child("governor")
    governed.process.kill()
    took_s = governed.until_clocks(AS_BEFORE, RESTORED_S)
    governor.wait(LIMIT_S)
    assert took_s < RESTORED_S
    assert not governed.claim.exists()


def test_an_executor_that_is_killed_has_its_clock_back_and_its_successor_sets_it_again(governed):
    governed.start()
    governed.until_served()
    executor = governed.child("executor")
    executor.suspend()
    executor.kill()
    governed.until_clocks(AS_BEFORE, RESTORED_S)
    governed.until_clocks(AS_ASKED)
    assert governed.child("executor").pid != executor.pid


def test_a_governor_that_is_killed_is_started_again_and_knows_what_was_before(governed):
    governed.start()
    governed.until_served()
    governed.child("governor").kill()
    governed.until(lambda: "cpu0 were not put back" in governed.log.read_text())
    governed.until_clocks(AS_ASKED)
    governed.process.send_signal(signal.SIGTERM)
    assert governed.process.wait(LIMIT_S) == 0
    assert governed.clocks() == AS_BEFORE, governed.log.read_text()


@pytest.mark.parametrize(("words", "times"), [("governor-0: died", 1), ("governor-0: started", 2)])
def test_a_server_that_ends_while_its_governor_is_dead_or_starts_again_puts_clocks_back(
    governed, words, times
):
    governed.start()
    governed.until_served()
    governed.child("governor").kill()
    governed.until(lambda: governed.log.read_text().count(words) == times)
    governed.process.send_signal(signal.SIGTERM)
    assert governed.process.wait(LIMIT_S) == 0
    assert governed.clocks() == AS_BEFORE, governed.log.read_text()
    assert not governed.claim.exists()


def test_after_a_power_cut_the_next_start_puts_clocks_back_first(governed):
    governed.start()
    governed.until_clocks(AS_ASKED)
    for one in (governed.child("governor"), psutil.Process(governed.process.pid)):
        one.suspend()
    governed.child("governor").kill()
    governed.process.kill()
    governed.process.wait()
    assert governed.clocks() == AS_ASKED
    governed.start(asked_mhz=999)  # none of those that can be set
    governed.until_clocks(AS_BEFORE)
    governed.until(lambda: "clock_mhz=999: must be one that can be set" in governed.log.read_text())
    assert governed.clocks() == AS_BEFORE
