"""Executors of a real server that hang, or that a stream's frames kill; cameras beside them go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from moonjelly.client import Answer, ArraySource, Stream, StreamFailed, connect
from moonjelly.server.running_server import RunningServer

LIMIT_S = 40.0
FPS = 10.0
SLO_MS = 400.0  # generous: these tests ask what happens, not how fast this machine is
PICTURE = np.full((128, 128, 3), 90, np.uint8)
NOISE = np.random.default_rng(3).integers(0, 255, (608, 608, 3), np.uint8)
POISON_BYTES = 9000  # frames of that size and more end an executor

pytestmark = pytest.mark.slow


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers with replayed devices, which are stopped whatever happens."""
    with contextlib.ExitStack() as stack:

        def start(*options: str, devices: int = 2) -> RunningServer:
            replayed = ["--zoo", "replayed-gpu", "--devices", *["replayed:gpu"] * devices]
            server = RunningServer([*replayed, *options], log_path=tmp_path / "server.log")
            return stack.enter_context(server)

        yield start


def pid_of(server: RunningServer, name: str) -> int:
    """The process id of a child, for example `executor-0`; 0 while there is none."""
    for process in psutil.Process(server.pid).children():
        with contextlib.suppress(psutil.Error):
            if "-".join(process.cmdline()[-5:-3]) == name:
                return int(process.pid)
    return 0


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    start_s = time.monotonic()
    while not condition():
        assert time.monotonic() - start_s < LIMIT_S, "it did not happen in time"
        await asyncio.sleep(0.02)


class Camera:
    """A stream, its answers, and what ended it."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.answers: list[Answer] = []
        self.failure: Exception | None = None

    async def collect(self) -> None:
        try:
            async for answer in self.stream:
                self.answers.append(answer)
        except StreamFailed as failure:
            self.failure = failure

    @property
    def num_in_time(self) -> int:
        return sum(answer.is_in_time for answer in self.answers)

    def check_ledger(self) -> None:
        """Every captured frame has exactly one verdict."""
        ledger = self.stream.ledger
        ledger.check_invariants()
        assert (ledger.lost, ledger.duplicated) == (0, 0)
        sequences = [answer.sequence for answer in self.answers]
        assert len(set(sequences)) == len(sequences) == ledger.captured


@contextlib.asynccontextmanager
async def camera(
    address: str, stream_id: str, picture: np.ndarray = PICTURE, fps: float = FPS
) -> AsyncIterator[Camera]:
    async with connect(address) as client:
        stream = client.stream(
            ArraySource([picture]),
            fps=fps,
            slo_ms=SLO_MS,
            stream_id=stream_id,
            bandwidth_kbps=200_000,
        )
        with contextlib.suppress(StreamFailed):
            async with stream:
                watched = Camera(stream)
                collecting = asyncio.create_task(watched.collect())
                try:
                    yield watched
                finally:
                    stream.stop()
                    await collecting


async def health_of(address: str) -> int:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=20)
        return int(reply.status)


async def test_cameras_of_a_stopped_executor_are_served_by_the_other_one(
    serve: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = serve()
    async with contextlib.AsyncExitStack() as stack:
        cameras = [
            await stack.enter_async_context(camera(server.address, f"camera-{n}")) for n in range(4)
        ]
        await until(lambda: all(one.num_in_time >= 10 for one in cameras))
        pid = pid_of(server, "executor-0")
        os.kill(pid, signal.SIGSTOP)
        try:
            before = [one.num_in_time for one in cameras]
            await until(
                lambda: all(
                    one.num_in_time >= count + 10
                    for one, count in zip(cameras, before, strict=True)
                )
            )
            assert await health_of(server.address) == health_pb2.HealthCheckResponse.SERVING
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    for one in cameras:
        one.check_ledger()
        reasons = {str(answer.drop.reason) for answer in one.answers if answer.drop}
        assert not reasons & {"no_answer", "connection_lost", "not_connected"}, reasons
    assert "is silent" in (tmp_path / "server.log").read_text()


@pytest.mark.parametrize("devices", [1, 2])
async def test_a_stream_that_kills_executors_is_ended_at_the_second_death_and_no_other(
    serve: Callable[..., RunningServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    devices: int,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent(f"""
        import os, sys
        if "moonjelly.server.child" in sys.orig_argv and "executor" in sys.orig_argv:
            from moonjelly.server.executors import loop
            real = loop.BatchLoop._start
            def start(self, lot):
                if any(one.descriptor.jpeg_bytes >= {POISON_BYTES} for one in lot.frames):
                    os._exit(9)
                return real(self, lot)
            loop.BatchLoop._start = start
        """)
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = serve(devices=devices)
    async with contextlib.AsyncExitStack() as stack:
        honest = [
            await stack.enter_async_context(camera(server.address, f"honest-{n}")) for n in range(3)
        ]
        await until(lambda: all(one.num_in_time >= 5 for one in honest))
        poison = await stack.enter_async_context(camera(server.address, "poison", NOISE, fps=2.0))
        await until(lambda: poison.failure is not None)
        assert "POISON" in str(poison.failure)
        before = [one.num_in_time for one in honest]
        await until(
            lambda: all(
                one.num_in_time >= count + 10 for one, count in zip(honest, before, strict=True)
            )
        )
    for one in honest:
        assert one.failure is None
        one.check_ledger()
    assert (tmp_path / "server.log").read_text().count("died, status 9") <= 2


async def test_a_stream_whose_frames_hang_the_decoders_is_ended_and_no_other(
    serve: Callable[..., RunningServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent(f"""
        import sys, time
        if "moonjelly.server.child" in sys.orig_argv and "executor" in sys.orig_argv:
            from moonjelly.server.executors import decoding
            from moonjelly.devices.executors import replayed_executor
            replayed_executor.ReplayedExecutor.needs_pictures = True
            real = decoding.decode
            def decode(frame, side_px, executor):
                while frame.descriptor.jpeg_bytes >= {POISON_BYTES}:
                    time.sleep(1)
                return real(frame, side_px, executor)
            decoding.decode = decode
        """)
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = serve()
    async with contextlib.AsyncExitStack() as stack:
        honest = [
            await stack.enter_async_context(camera(server.address, f"honest-{n}")) for n in range(3)
        ]
        await until(lambda: all(one.num_in_time >= 5 for one in honest))
        poison = await stack.enter_async_context(camera(server.address, "poison", NOISE, fps=2.0))
        await until(lambda: poison.failure is not None)
        assert "POISON" in str(poison.failure)
        before = [one.num_in_time for one in honest]
        await until(
            lambda: all(
                one.num_in_time >= count + 10 for one, count in zip(honest, before, strict=True)
            )
        )
    for one in honest:
        assert one.failure is None
        one.check_ledger()
    assert (tmp_path / "server.log").read_text().count("died, status 1") <= 2
