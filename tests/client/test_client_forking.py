"""A process that was forked from one that used gRPC says so; nothing hangs. Each case runs in a Python of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

IN_A_CHILD = """
import faulthandler, os, sys, time
from moonjelly import client as sdk
import numpy as np

ADDRESS = sys.argv[1]
SOURCE = sdk.ArraySource([np.zeros((48, 64, 3), np.uint8)], 3)
STREAM = dict(fps=50, slo_ms=5000)


def fork(use):
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(25, exit=True)
        try:
            use()
        except RuntimeError as error:
            os.write(1, f"{error}\\n".encode())
        else:
            os.write(1, b"no error\\n")
        os._exit(0)  # how gRPC ends in a fork is not what is tested
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"the child hung, or crashed: {status}"


def use_sync():
    with sdk.connect_sync(ADDRESS) as client, client.stream(SOURCE, **STREAM) as stream:
        assert len(list(stream)) == 3
"""

CASES = {
    "a new client": """
        use_sync()
        fork(use_sync)
        use_sync()
    """,
    "the entered client": """
        with sdk.connect_sync(ADDRESS) as client:
            fork(lambda: client.stream(SOURCE, **STREAM))
    """,
    "the entered stream": """
        with sdk.connect_sync(ADDRESS) as client, client.stream(SOURCE, **STREAM) as stream:
            time.sleep(0.5)  # as below
            fork(lambda: list(stream))
    """,
    "without async, in a fork with async": """
        import asyncio

        async def main():
            async with sdk.connect(ADDRESS) as client:
                async with client.stream(SOURCE, **STREAM) as stream:
                    assert len([one async for one in stream]) == 3

        use_sync()
        fork(lambda: asyncio.run(main()))
    """,
    "multiprocessing": """
        import multiprocessing

        def work(results):
            try:
                use_sync()
            except RuntimeError as error:
                results.put(str(error))

        context = multiprocessing.get_context("fork")
        with sdk.connect_sync(ADDRESS) as client:
            results = context.Queue()
            process = context.Process(target=work, args=(results,))
            process.start()
            print(results.get(timeout=25))
            process.join(25)
            assert process.exitcode == 0
    """,
    "inside the block": """
        with sdk.connect_sync(ADDRESS) as client, client.stream(SOURCE, **STREAM) as stream:
            time.sleep(0.5)  # gRPC cannot take part in a fork while threads are in it
            child = os.fork()
            if not child:
                faulthandler.dump_traceback_later(25, exit=True)
            answers = list(stream) if child else []
        if not child:
            print("forked from one that used gRPC: left in peace", flush=True)
            os._exit(0)
        assert len(answers) == 3
        assert os.waitpid(child, 0)[1] == 0
    """,
}


def run(code, address):
    done = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD + textwrap.dedent(code), address],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("case", CASES)
def test_a_forked_process_is_told_that_grpc_was_forked(threaded_server, case):
    assert "forked from one that used gRPC" in run(CASES[case], threaded_server.address)


def test_a_process_forked_before_any_client_was_entered_streams(threaded_server):
    assert run("fork(use_sync)\nuse_sync()", threaded_server.address) == "no error\n"
