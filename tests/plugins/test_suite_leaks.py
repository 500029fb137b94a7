from __future__ import annotations

import pytest
import suite_leaks

pytest_plugins = ["pytester"]

TIDY = """
import asyncio, subprocess, sys, threading

def test_all_ends():
    with open(__file__), subprocess.Popen([sys.executable, "-c", ""]):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()

async def test_tasks_end():
    task = asyncio.create_task(asyncio.sleep(0))
    await task
"""
UNTIDY = {
    "file": "import conftest\ndef test_it(): conftest.kept.append(open(__file__))",
    "thread": (
        "import conftest, threading\n"
        "def test_it(): threading.Thread(target=conftest.end.wait, name='forgotten').start()"
    ),
    "process": (
        "import conftest, subprocess, sys\n"
        "def test_it(): conftest.kept.append(subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1))"
    ),
    "process of a process that has ended": (
        "import subprocess, sys\n"
        "def test_it(): subprocess.run([sys.executable, '-c', 'import subprocess, sys, time;'\n"
        '    \'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)"])\'], check=True)'
    ),
    "tasks were left running": (
        "import asyncio\n"
        "async def test_it(): asyncio.get_running_loop().kept = asyncio.create_task(asyncio.sleep(99))"
    ),
}
KEEPER = """
import threading
kept, end = [], threading.Event()

def pytest_unconfigure():
    end.set()
    for one in kept:
        if hasattr(one, "kill"):
            one.communicate(b"")
        else:
            one.close()
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(suite_leaks.MARK, "as it is outside")

    def run(text: str) -> pytest.RunResult:
        pytester.makeconftest(KEEPER)
        pytester.makepyfile(text)
        options = ("-p", "suite_leaks", "-o", "asyncio_mode=auto")
        return pytester.runpytest_inprocess(
            *options, "-o", "asyncio_default_fixture_loop_scope=function"
        )

    return run


def test_tests_that_leave_nothing_pass(run) -> None:
    run(TIDY).assert_outcomes(passed=2)


@pytest.mark.parametrize("what", UNTIDY)
def test_what_is_left_fails_the_test_and_is_named(
    run, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(suite_leaks, "SETTLE_LIMIT_S", 0.5)
    result = run(UNTIDY[what])
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"E * {what.partition(' of ')[0]}*"])


def test_what_is_gone_a_little_later_is_no_leak() -> None:
    looks = iter([{"file a": 2}, {"file a": 1}])
    left = suite_leaks.what_is_left(
        suite_leaks.Counter({"file a": 1}), lambda: suite_leaks.Counter(next(looks)), 60
    )
    assert left == []
