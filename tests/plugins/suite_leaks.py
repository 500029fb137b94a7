"""What a test leaves behind fails it: processes, threads, open files and another scheduling policy of its module, tasks of its event loop.

A module is looked at when its last test has been torn down, as its fixtures may hold what they like until then.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
import pytest_asyncio

SETTLE_LIMIT_S = 20.0
"""How long what has been closed may take to be gone, on a busy machine."""

MARK = "MOONJELLY_SUITE"
"""Variable of the environment by which programs that tests have started are known, whoever started them."""

LIBRARIES_KEEP = re.compile(r"/matplotlib/mpl-data/fonts/|\[event(poll|fd)\]$")
"""Fonts that were used once; what gRPC polls with, which it keeps for a server that could not listen."""

_BEFORE = pytest.StashKey["Counter[str]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Marks what is started from now on; a helper that Python keeps once it has used it is started before."""
    resource_tracker.ensure_running()
    os.environ[MARK] = uuid.uuid4().hex


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Looks at what is there before the first test of a module."""
    module = item.getparent(pytest.Module)
    if module is not None and _BEFORE not in module.stash:
        module.stash[_BEFORE] = what_is_there()
    yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Fails the last test of a module if more is there than before the first."""
    yield
    module = item.getparent(pytest.Module)
    if module is not None and (nextitem is None or nextitem.getparent(pytest.Module) is not module):
        if isinstance(item, pytest.Function):
            item.funcargs.clear()  # what the last test was given is not left behind
        left = what_is_left(module.stash[_BEFORE], what_is_there, SETTLE_LIMIT_S)
        assert not left, f"the tests of {item.path.name} left behind: {', '.join(left)}"


def what_is_left(
    before: Counter[str], look: Callable[[], Counter[str]], limit_s: float
) -> list[str]:
    """What is there now and was not before, once it does not become less within a limit."""
    end_s = time.monotonic() + limit_s
    while left := list((look() - before).elements()):
        if time.monotonic() >= end_s:
            break
        gc.unfreeze()  # an endpoint in this process froze what there was
        gc.collect()
        time.sleep(0.05)
    return left


def what_is_there() -> Counter[str]:
    """Threads of this process, how urgent it is, files that it has open, and programs that tests have started."""
    there = Counter(f"thread {one.name}" for one in threading.enumerate())
    there[f"scheduling policy {os.sched_getscheduler(0)}"] = 1
    there.update(f"file {name}" for name in _open_files())
    there.update(f"process {words}" for words in _programs())
    return Counter({one: n for one, n in there.items() if not LIBRARIES_KEEP.search(one)})


def _open_files() -> list[str]:
    names = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            names.append(str(path.readlink()))
        except OSError:  # the folder itself, which was open while it was read
            continue
    return names


def _programs() -> list[str]:
    """Programs that carry the mark of this suite, and children of this process that nobody has waited for."""
    mark = f"{MARK}={os.environ[MARK]}".encode()
    ours, found = str(os.getpid()), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.name == ours:
                continue
            name, _, rest = (folder / "stat").read_text().partition(" (")[2].rpartition(") ")
            state, parent = rest.split()[:2]
            if parent == ours or mark in (folder / "environ").read_bytes().split(b"\0"):
                words = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                is_dead = "Z " if state == "Z" else ""  # between running and sleeping they change
                found.append(f"{folder.name} {is_dead}{words or name}")
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


@pytest.fixture(autouse=True)
def _tasks_end(request: pytest.FixtureRequest) -> None:
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_no_task_is_left")


@pytest_asyncio.fixture
async def _no_task_is_left() -> AsyncIterator[None]:
    yield
    end_s = time.monotonic() + SETTLE_LIMIT_S
    while left := asyncio.all_tasks() - {asyncio.current_task()}:
        assert time.monotonic() < end_s, f"tasks were left running: {left}"
        await asyncio.sleep(0.01)
