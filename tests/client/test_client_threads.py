from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from moonjelly.client.threads import OneThread

STUCK = """
import threading
from moonjelly.client.threads import OneThread
thread, is_stuck = OneThread("stuck"), threading.Event()
thread.submit(lambda: (is_stuck.set(), threading.Event().wait()))
is_stuck.wait()
"""


def test_calls_are_made_in_order_by_one_thread():
    thread = OneThread("reader")
    futures = [thread.submit(lambda k=k: (k, threading.current_thread().name)) for k in range(20)]
    assert [future.result(10) for future in futures] == [(k, "reader") for k in range(20)]
    thread.shutdown()


def test_errors_go_to_whoever_waits_and_the_thread_goes_on():
    thread = OneThread("reader")
    failing = thread.submit(int, "x")
    assert thread.submit(int, "7").result(10) == 7
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result(10)
    thread.shutdown()


def test_shutting_down_ends_it_after_what_it_was_given():
    thread = OneThread("reader")
    go = threading.Event()
    thread.submit(go.wait)
    last = thread.submit(lambda: "done")
    thread.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="shut down"):
        thread.submit(int)
    go.set()
    assert last.result(10) == "done"
    thread.shutdown()


def test_one_that_was_never_used_needs_no_thread():
    num_threads = threading.active_count()
    OneThread("idle").shutdown()
    assert threading.active_count() == num_threads


def test_a_program_ends_though_one_is_stuck():
    subprocess.run([sys.executable, "-c", STUCK], check=True, timeout=60)
