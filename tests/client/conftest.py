from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for fake_server

from fake_server import FakeServer


@pytest.fixture
def threaded_server():
    """A fake server in a thread of its own, for programs that run their own event loop."""
    server, is_ready = FakeServer(), threading.Event()
    ending = []

    async def serve():
        end = asyncio.Event()
        async with server:
            ending.append((asyncio.get_running_loop(), end))
            is_ready.set()
            await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="fake server")
    thread.start()
    assert is_ready.wait(20)
    yield server
    loop, end = ending[0]
    loop.call_soon_threadsafe(end.set)
    thread.join()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 300 small pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for k in range(300):
        cv2.imwrite(str(folder / f"{k:03}.png"), np.full((48, 64, 3), k % 256, np.uint8))
    return folder
