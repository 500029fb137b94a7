from __future__ import annotations

import subprocess
import sys

import pytest

from moonjelly.server.executors import watchdog
from moonjelly.server.executors.watchdog import SLACK_S, Watchdog


class Recorder:
    """Stands for the clock and for `faulthandler`."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.calls: list[object] = []

    def monotonic(self) -> float:
        return self.now_s

    def dump_traceback_later(self, timeout: float, exit: bool) -> None:  # noqa: A002
        assert exit
        self.calls.append(timeout)

    def cancel_dump_traceback_later(self) -> None:
        self.calls.append("cancel")


@pytest.fixture
def recorder(monkeypatch):
    made = Recorder()
    monkeypatch.setattr(watchdog, "time", made)
    monkeypatch.setattr(watchdog, "faulthandler", made)
    return made


def test_it_is_set_once_for_many_short_batches(recorder):
    dog = Watchdog()
    for _ in range(100):
        dog.guard(2.0)
        recorder.now_s += SLACK_S / 200
    assert recorder.calls == [2.0 + SLACK_S]


def test_each_batch_gets_its_whole_limit_and_no_more_than_the_slack_on_top(recorder):
    dog = Watchdog()
    fires_at_s = 0.0
    for _ in range(1000):
        dog.guard(2.0)
        if recorder.calls:
            fires_at_s = recorder.now_s + recorder.calls.pop()
        assert 2.0 <= fires_at_s - recorder.now_s <= 2.0 + SLACK_S
        recorder.now_s += 0.0137


def test_a_shorter_limit_counts_at_once(recorder):
    dog = Watchdog()
    dog.guard(60.0)
    dog.guard(2.0)
    assert recorder.calls == [60.0 + SLACK_S, 2.0 + SLACK_S]


def test_it_rests_before_it_could_fire_without_a_batch(recorder):
    dog = Watchdog()
    assert dog.rest_within_s() is None
    dog.guard(2.0)
    assert 0 < dog.rest_within_s() < 2.0 + SLACK_S
    dog.rest()
    assert recorder.calls[-1] == "cancel"
    assert dog.rest_within_s() is None


def test_a_hang_that_holds_the_interpreter_ends_the_process_with_its_stacks():
    code = (
        "import ctypes; from moonjelly.server.executors import watchdog;"
        "watchdog.SLACK_S = 0; watchdog.Watchdog().guard(0.2);"
        "ctypes.PyDLL(None).pause()"  # PyDLL keeps the interpreter lock
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "most recent call first" in done.stderr
