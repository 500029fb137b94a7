from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import ctypes, time
from moonjelly.server.executors.watchdog import Watchdog
dog = Watchdog()
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "hang",
    ["time.sleep(60)", "ctypes.PyDLL(None).pause()"],  # PyDLL keeps the interpreter lock
)
def test_a_hang_ends_the_process_with_its_stacks(hang):
    done = run(f"dog.guard(0.2); {hang}")
    assert done.returncode == 1
    assert "most recent call first" in done.stderr


def test_it_does_not_fire_once_it_rests():
    done = run("for _ in range(3): dog.guard(0.2); dog.rest()\ntime.sleep(0.6)")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_later_limit_takes_the_place_of_the_earlier():
    done = run("dog.guard(0.2); dog.guard(50.0); time.sleep(0.9); dog.rest()")
    assert (done.returncode, done.stderr) == (0, "")


def test_batches_in_a_row_are_guarded_although_it_never_rests():
    done = run("for _ in range(9): dog.guard(0.3); time.sleep(0.1)\nprint('well'); time.sleep(60)")
    assert done.returncode == 1
    assert "well" in done.stdout


def test_a_shorter_limit_takes_the_place_of_the_longer():
    assert run("dog.guard(100.0); dog.guard(0.2); time.sleep(60)").returncode == 1
