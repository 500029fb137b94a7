"""A real server, its processes and real clients on this machine; devices are replayed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from moonjelly.client import Answer, ArraySource, Reason, Refused, Stream, connect
from moonjelly.client.reconcile import reconcile
from moonjelly.core.records import FrameRecord
from moonjelly.files.csv_log import CsvLog
from moonjelly.server.running_server import RunningServer

FPS = 15.0
LIMIT_S = 60.0
SLO_MS = 400.0  # generous: these tests ask what happens, not how fast this machine is
PICTURE = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)

pytestmark = pytest.mark.slow


def replayed(*more: str, devices: int = 1, out_dir: Path | None = None) -> list[str]:
    """Options of a server with replayed devices."""
    logs = ["--out-dir", str(out_dir)] if out_dir else []
    return ["--zoo", "replayed-gpu", "--devices", *["replayed:gpu"] * devices, *logs, *more]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers that are stopped at the end of the test, whatever happens."""
    with contextlib.ExitStack() as stack:

        def start(arguments: list[str], **options: object) -> RunningServer:
            server = RunningServer(arguments, log_path=tmp_path / "server.log", **options)
            return stack.enter_context(server)

        yield start


def children(server: RunningServer) -> dict[str, psutil.Process]:
    """The server's processes by name, for example `executor-0`."""
    found = {}
    for process in psutil.Process(server.pid).children():
        try:
            words = process.cmdline()
        except psutil.Error:  # it died between the two calls
            continue
        if "moonjelly.server.child" in words:
            at = words.index("moonjelly.server.child")
            found["-".join(words[at + 1 : at + 3])] = process
    return found


def is_replaced(server: RunningServer, name: str, pid: int) -> bool:
    """Whether another process has taken that role."""
    now = children(server).get(name)
    return now is not None and now.pid != pid


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        await asyncio.sleep(0.02)


class Watched:
    """A stream whose answers are collected while the test goes on."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.answers: list[Answer] = []

    async def collect(self) -> None:
        async for answer in self.stream:
            self.answers.append(answer)

    def in_time_after(self, count: int) -> int:
        """Answers in time since the list had that length."""
        return sum(answer.is_in_time for answer in self.answers[count:])

    def check_ledger(self) -> None:
        """Every captured frame has exactly one verdict."""
        ledger = self.stream.ledger
        ledger.check_invariants()
        assert ledger.lost == 0
        assert ledger.duplicated == 0
        sequences = [answer.sequence for answer in self.answers]
        assert len(set(sequences)) == len(sequences) == ledger.captured


@contextlib.asynccontextmanager
async def streaming(
    address: str, stream_id: str = "camera", fps: float = FPS, slo_ms: float = SLO_MS
) -> AsyncIterator[Watched]:
    """Streams pictures until the block is left, then waits for the last answers."""
    async with connect(address) as client:
        source = ArraySource([PICTURE])
        async with client.stream(
            source, fps=fps, slo_ms=slo_ms, stream_id=stream_id, bandwidth_kbps=200_000
        ) as stream:
            watched = Watched(stream)
            collecting = asyncio.create_task(watched.collect())
            try:
                yield watched
            finally:
                stream.stop()
                await collecting


async def test_each_captured_frame_gets_one_verdict_and_both_sides_agree(
    serve: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = serve(replayed(out_dir=tmp_path))
    async with streaming(server.address) as watched:
        await until(lambda: len(watched.answers) >= 45)
    watched.check_ledger()
    assert watched.in_time_after(0) >= 40
    assert all(answer.record.variant for answer in watched.answers if answer.is_in_time)
    assert server.stop() == 0
    with CsvLog(tmp_path / "frames.csv", FrameRecord) as log:
        for answer in watched.answers:
            log.write(answer.record)
    assert reconcile(tmp_path / "frames.csv", tmp_path / "server_frames.csv") == []
    assert (tmp_path / "plans.csv").read_text().count("\n") > 1
    assert any(path.read_text().count("\n") > 1 for path in tmp_path.glob("batches-*.csv"))


async def test_a_stream_moves_to_a_smaller_variant_when_others_join(
    serve: Callable[..., RunningServer],
) -> None:
    def side_px(answer: Answer) -> int:
        return int(answer.record.variant.rsplit("-", 1)[1])

    server = serve(replayed("--replay-latency-ratio", "4"))  # one that few streams fill
    async with streaming(server.address, "first", fps=8, slo_ms=500) as first:
        await until(lambda: first.in_time_after(0) >= 5)
        alone_px = side_px(first.answers[-1])
        async with contextlib.AsyncExitStack() as stack:
            for number in range(3):
                await stack.enter_async_context(
                    streaming(server.address, f"other-{number}", fps=8, slo_ms=500)
                )
            await until(
                lambda: any(a.record.variant and side_px(a) < alone_px for a in first.answers)
            )
        count = len(first.answers)
        await until(lambda: first.in_time_after(count) >= 5)
    first.check_ledger()


async def test_a_stream_that_does_not_fit_is_refused_with_an_offer_that_is_then_accepted(
    serve: Callable[..., RunningServer],
) -> None:
    server = serve(replayed("--variants", "yolov4-608"))
    async with contextlib.AsyncExitStack() as stack:
        refused = None
        for number in range(12):
            try:
                await stack.enter_async_context(
                    streaming(server.address, f"camera-{number}", fps=20, slo_ms=150)
                )
            except Refused as refusal:
                refused = refusal
                break
        assert refused is not None
        offer = refused.counter_offers[0]
        watched = await stack.enter_async_context(
            streaming(server.address, "modest", fps=offer.fps, slo_ms=offer.slo_ms)
        )
        await until(lambda: len(watched.answers) >= 1)


@pytest.mark.parametrize("devices", [1, 2])
async def test_frames_of_a_killed_executor_get_one_verdict_and_service_comes_back(
    serve: Callable[..., RunningServer], devices: int
) -> None:
    server = serve(replayed(devices=devices))
    async with contextlib.AsyncExitStack() as stack:
        cameras = [
            await stack.enter_async_context(streaming(server.address, f"camera-{n}"))
            for n in range(3)
        ]
        await until(lambda: all(camera.in_time_after(0) >= 5 for camera in cameras))
        for _ in range(3):
            victim = children(server)["executor-0"]
            victim.kill()
            await until(lambda pid=victim.pid: is_replaced(server, "executor-0", pid))
            counts = [len(camera.answers) for camera in cameras]
            await until(
                lambda counts=counts: all(
                    camera.in_time_after(count) >= 5
                    for camera, count in zip(cameras, counts, strict=True)
                )
            )
    for camera in cameras:
        camera.check_ledger()
        assert {answer.drop.reason for answer in camera.answers if answer.drop} <= {
            *(Reason.EXECUTOR_LOST, Reason.NOT_PLACED, Reason.TOO_LATE, Reason.SUPERSEDED),
            Reason.CLIENT_TOO_SLOW,  # a busy machine's cameras, here beside the server
        }


@pytest.mark.parametrize("victim", ["scheduler-0", "endpoint-0"])
async def test_streams_outlive_the_death_of(
    serve: Callable[..., RunningServer], victim: str
) -> None:
    server = serve(replayed())
    async with streaming(server.address) as watched:
        await until(lambda: watched.in_time_after(0) >= 5)
        pid = children(server)[victim].pid
        os.kill(pid, signal.SIGKILL)
        await until(lambda: is_replaced(server, victim, pid))
        count = len(watched.answers)
        await until(lambda: watched.in_time_after(count) >= 15)
        async with streaming(server.address, "newcomer") as newcomer:
            await until(lambda: newcomer.in_time_after(0) >= 5)
    watched.check_ledger()
    if victim == "scheduler-0":
        assert not any(
            answer.drop and answer.drop.reason is Reason.CONNECTION_LOST
            for answer in watched.answers
        )


CLIENT_PROGRAM = """
import asyncio, sys
import numpy as np
from moonjelly.client import ArraySource, connect

async def main():
    async with connect(sys.argv[1]) as client:
        source = ArraySource([np.zeros((120, 160, 3), np.uint8)])
        async with client.stream(
            source, fps=10, slo_ms=150, stream_id="victim", bandwidth_kbps=200_000
        ) as stream:
            async for answer in stream:
                print("answered", flush=True)

asyncio.run(main())
"""


async def test_a_killed_client_frees_its_place(serve: Callable[..., RunningServer]) -> None:
    server = serve(replayed("--variants", "yolov4-608"))
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT_PROGRAM, server.address), stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdout is not None
    assert await asyncio.wait_for(victim.stdout.readline(), LIMIT_S) == b"answered\n"

    async def has_room(stack: contextlib.AsyncExitStack, stream_id: str) -> bool:
        try:
            await stack.enter_async_context(
                streaming(server.address, stream_id, fps=10, slo_ms=150)
            )
        except Refused:
            return False
        return True

    async with contextlib.AsyncExitStack() as stack:
        number = 0
        while await has_room(stack, f"filler-{number}"):
            number += 1
            assert number < 20, "twenty streams fitted"
        victim.kill()
        await victim.communicate()
        end_s = time.monotonic() + LIMIT_S
        while not await has_room(stack, "successor"):
            assert time.monotonic() < end_s, "its place was not freed"


async def test_sigterm_under_load_drains_and_leaves_nothing_behind(
    serve: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = serve(replayed(out_dir=tmp_path))
    async with contextlib.AsyncExitStack() as stack:
        cameras = [
            await stack.enter_async_context(streaming(server.address, f"camera-{n}"))
            for n in range(3)
        ]
        await until(lambda: all(camera.in_time_after(0) >= 5 for camera in cameras))
        processes = list(children(server).values())
        assert await asyncio.to_thread(server.stop) == 0
        assert not psutil.wait_procs(processes, timeout=0)[1]
    for camera in cameras:
        camera.check_ledger()
        assert not any(
            answer.drop and answer.drop.reason is Reason.NO_ANSWER for answer in camera.answers
        )


async def test_children_leave_with_a_killed_supervisor(serve: Callable[..., RunningServer]) -> None:
    server = serve(replayed())
    processes = list(children(server).values())
    assert len(processes) == 3
    os.kill(server.pid, signal.SIGKILL)
    gone, alive = await asyncio.to_thread(psutil.wait_procs, processes, LIMIT_S)
    assert len(gone) == 3
    assert not alive


def test_a_second_server_on_the_same_port_is_refused_in_one_line(
    serve: Callable[..., RunningServer],
) -> None:
    server = serve(replayed())
    port = server.address.rsplit(":", 1)[1]
    second = subprocess.run(
        [sys.executable, "-m", "moonjelly", "serve", "--port", port, "--no-logs", *replayed()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "in use" in second.stderr
    assert port in second.stderr
    assert "Traceback" not in second.stderr
