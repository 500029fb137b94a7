"""Whole streams of cameras and of sources that others wrote."""

from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import threading

import numpy as np
import pytest
from fake_server import FakeServer, until
from showing_camera import ShowingCamera, age_ms
from streaming import FLAT, SOFT, check_account, collect, few, reasons, streaming

from moonjelly import client as sdk
from moonjelly.client import NoPicture, Picture, Reason, Verdict
from moonjelly.client.emulation import EmulatedCamera, run_cameras
from moonjelly.core.clock import MonotonicClock
from moonjelly.core.errors import RunError

WAIT_S = 60


class Own:
    """A source as a user writes it."""

    is_live = False

    def __init__(self, read, is_live=False):
        self._read = read
        self.is_live = is_live
        self.num_closed = 0

    def read(self, index):
        return self._read(index)

    def close(self):
        self.num_closed += 1


def then_raise(error, num=3):
    def read(index):
        if index >= num:
            raise error  # made here where it is a class: one that lives on would keep all that it came through
        return FLAT

    return read


@pytest.mark.parametrize("kind", ["mjpeg", "rtsp"])
async def test_a_camera_that_reboots_owes_its_frames_and_goes_on(kind):
    with ShowingCamera(kind) as camera:
        async with FakeServer() as server, sdk.connect(server.address) as client:
            stream = client.stream(camera.address, fps=10, slo_ms=5000, keep_images=True)
            answers = []
            async with asyncio.timeout(WAIT_S), stream:
                collecting = asyncio.create_task(_take(stream, answers))
                await until(lambda: sum(a.verdict is Verdict.IN_TIME for a in answers) >= 3)
                camera.switch_off()
                await until(lambda: reasons(answers)["source_lost"] >= 3)
                num_before = len(answers)
                camera.switch_on()
                await until(lambda: any(a.verdict is Verdict.IN_TIME for a in answers[num_before:]))
                stream.stop()
                await collecting
    check_account(stream, answers)
    assert set(reasons(answers)) <= {"in_time", "late", "source_lost", "superseded"}
    numbers = sorted(answer.sequence for answer in answers)
    lost = sorted(a.sequence for a in answers if a.drop and a.drop.reason is Reason.SOURCE_LOST)
    assert set(range(lost[0], lost[-1])) <= set(numbers), (
        "each frame that was due while it was away"
    )


async def test_a_camera_that_stays_away_ends_the_stream_with_an_error():
    with ShowingCamera("mjpeg") as camera:
        source = sdk.open_source(camera.address, 10)
        source._reopening.give_up_after_ms = 500
        async with FakeServer() as server, sdk.connect(server.address) as client:
            stream, answers = client.stream(source, fps=10, slo_ms=5000), []
            camera.switch_off()
            with pytest.raises(RunError, match=r"lost for 0\.5 s: Connection refused"):
                async with asyncio.timeout(WAIT_S):
                    await collect(stream, answers)
    check_account(stream, answers)
    assert reasons(answers)["source_lost"] >= 1


async def test_one_picture_that_was_cut_short_costs_one_frame():
    with ShowingCamera("mjpeg", fps=10) as camera:
        async with FakeServer() as server, sdk.connect(server.address) as client:
            stream, answers = client.stream(camera.address, fps=10, slo_ms=5000), []
            async with asyncio.timeout(WAIT_S), stream:
                collecting = asyncio.create_task(_take(stream, answers))
                await until(lambda: reasons(answers)["in_time"] >= 2)
                camera.num_cut_short = 1
                num_before = len(answers)
                await until(lambda: reasons(answers[num_before:])["in_time"] >= 5)
                stream.stop()
                await collecting
        assert camera.num_readers == 1, "the connection lives on"
    check_account(stream, answers)
    assert reasons(answers)["source_lost"] <= 1


async def test_frames_of_a_camera_count_from_its_own_time():
    with ShowingCamera("rtsp") as camera:
        clock = MonotonicClock()
        zero_ms = clock.now_ms()
        async with (
            FakeServer() as server,
            streaming(
                server.address, camera.address, fps=10, slo_ms=5000, num_frames=15, keep_images=True, zero_ms=zero_ms
            ) as stream,
        ):  # fmt: skip
            answers = [answer async for answer in stream]
    ages_ms = [
        age_ms(answer.image, zero_ms + answer.record.captured_ms)
        for answer in answers
        if answer.image is not None
    ]
    assert len(ages_ms) >= 5
    assert -100 < np.median(ages_ms) < 400


async def test_a_picture_that_is_read_late_counts_as_late():
    clock = MonotonicClock()

    def read(index):
        threading.Event().wait(0.03)
        return Picture(clock.now_ms() - 600, FLAT)

    async with (
        FakeServer() as server,
        streaming(
            server.address, Own(read, is_live=True), fps=10, slo_ms=500, num_frames=15
        ) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    assert set(reasons(answers)) == {"client_too_slow"}


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
async def test_a_source_that_ends_as_iterators_do_ends_its_stream(error, is_live):
    source = Own(then_raise(error()), is_live)
    async with asyncio.timeout(WAIT_S), FakeServer() as server:
        async with streaming(server.address, source, fps=50, slo_ms=5000) as stream:
            answers = [answer async for answer in stream]
        check_account(stream, answers)
        await until(lambda: source.num_closed == 1)
    assert len(answers) >= 1


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (KeyboardInterrupt, RunError),
        (SystemExit, RunError),
        (GeneratorExit, RunError),
        (asyncio.CancelledError, RunError),
        (concurrent.futures.CancelledError, RunError),
        (asyncio.InvalidStateError, RunError),
        (TimeoutError, TimeoutError),
        (MemoryError, MemoryError),
        (ZeroDivisionError, ZeroDivisionError),
        (RunError, RunError),
    ],
)
async def test_a_source_that_raises_whatever_it_likes_ends_its_stream_with_an_error(
    error, wanted, is_live
):
    source = Own(then_raise(error), is_live)
    async with (
        asyncio.timeout(WAIT_S),
        FakeServer() as server,
        sdk.connect(server.address) as client,
    ):
        stream, answers = client.stream(source, fps=50, slo_ms=5000), []
        with pytest.raises(wanted):
            await collect(stream, answers)
        check_account(stream, answers)
        await until(lambda: source.num_closed == 1)


@pytest.mark.parametrize(
    "error", [StopIteration, KeyboardInterrupt, asyncio.InvalidStateError, OSError]
)
async def test_a_source_that_cannot_encode_ends_its_stream_with_an_error(error):
    class Encoding(Own):
        def encode(self, image, side_px, quality, fit):
            raise error

    async with (
        asyncio.timeout(WAIT_S),
        FakeServer() as server,
        sdk.connect(server.address) as client,
    ):
        stream = client.stream(Encoding(lambda index: FLAT), fps=50, slo_ms=5000)
        with pytest.raises((RunError, OSError)):
            await collect(stream, [])
    assert stream.ledger.lost == 0


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.parametrize(
    "bad",
    [
        FLAT / 255,
        FLAT.astype(np.uint16),
        FLAT[..., 0],
        FLAT > 3,
        np.zeros((0, 4, 3), np.uint8),
        "x",
    ],
)
async def test_what_is_no_picture_is_never_sent(bad, is_live):
    source = Own(lambda index: bad, is_live)
    async with (
        asyncio.timeout(WAIT_S),
        FakeServer() as server,
        sdk.connect(server.address) as client,
    ):
        stream = client.stream(source, fps=50, slo_ms=5000)
        with pytest.raises(RunError, match=r"^picture of .*: .*must be"):
            await collect(stream, [])
        assert not server.frames
    assert stream.ledger.captured == 0


@pytest.mark.parametrize("captured_ms", ["1", None, float("nan"), float("inf"), 1e300, 10**400])
async def test_what_is_no_time_of_the_monotonic_clock_ends_the_stream(captured_ms):
    source = Own(lambda index: Picture(captured_ms, FLAT), is_live=True)
    async with (
        asyncio.timeout(WAIT_S),
        FakeServer() as server,
        sdk.connect(server.address) as client,
    ):
        stream = client.stream(source, fps=50, slo_ms=5000)
        with pytest.raises(RunError, match=r"^captured_ms=.*: must be a time of the monotonic"):
            await collect(stream, [])
    assert stream.ledger.lost == 0


async def test_pictures_that_are_too_old_for_any_stream_are_lost_and_that_is_told(caplog):
    seconds = MonotonicClock().now_ms() / 1000 - 100  # in place of milliseconds
    source = Own(lambda index: Picture(seconds, FLAT), is_live=True)
    async with (
        asyncio.timeout(WAIT_S),
        FakeServer() as server,
        streaming(server.address, source, fps=50, slo_ms=5000, num_frames=10) as stream,
    ):
        answers = [answer async for answer in stream]
    check_account(stream, answers)
    assert reasons(answers) == {"source_lost": 10}
    told = [record.message for record in caplog.records if "captured_ms=" in record.message]
    assert len(told) == 1
    assert "time.monotonic() * 1000" in told[0]


@pytest.mark.parametrize("is_live", [False, True])
async def test_a_source_may_fill_one_buffer_again_and_again(is_live):
    buffer = np.zeros((48, 64, 3), np.uint8)

    def read(index):
        threading.Event().wait(0.005)
        buffer[:] = index
        return buffer

    async with (
        FakeServer() as server,
        streaming(
            server.address, Own(read, is_live), fps=20, slo_ms=5000, num_frames=12, keep_images=True
        ) as stream,
    ):
        answers = [answer async for answer in stream]
    kept = [answer for answer in answers if answer.image is not None]
    assert kept
    for answer in kept:
        if is_live:
            assert answer.image.min() == answer.image.max()
        else:
            assert (answer.image == answer.sequence).all()
    assert len({int(answer.image[0, 0, 0]) for answer in kept}) == len(kept)


async def test_a_frame_without_a_picture_is_lost_alone():
    def read(index):
        if index == 5:
            raise sdk.ClientError("the end")
        if index % 2:
            raise NoPicture("smeared")
        return FLAT

    async with FakeServer() as server, sdk.connect(server.address) as client:
        stream, answers = client.stream(Own(read), fps=20, slo_ms=5000), []
        with pytest.raises(sdk.ClientError, match="the end"):
            await collect(stream, answers)
    check_account(stream, answers)
    lost = [a.sequence for a in answers if a.drop and a.drop.reason is Reason.SOURCE_LOST]
    assert lost == [1, 3]


async def test_what_is_no_source_is_refused_before_anything_is_sent():
    async with FakeServer() as server, sdk.connect(server.address) as client:
        with pytest.raises(ValueError, match="read and close"):
            client.stream(FLAT, fps=1, slo_ms=1000)


async def test_a_source_that_is_stuck_does_not_hold_up_the_end_of_its_stream():
    is_stuck = threading.Event()
    source = Own(lambda index: is_stuck.wait(WAIT_S) and None, is_live=True)
    async with (
        FakeServer() as server,
        streaming(server.address, source, fps=10, slo_ms=1000, num_frames=15) as stream,
    ):
        answers = [answer async for answer in stream]
    is_stuck.set()
    check_account(stream, answers)
    assert set(reasons(answers)) == {"source_lost"}


async def test_a_source_that_is_stuck_encoding_holds_up_nobody_else():
    go = threading.Event()

    class Stuck(Own):
        def encode(self, image, side_px, quality, fit):
            go.wait(WAIT_S)
            return b"no JPEG"

    async with FakeServer() as server, sdk.connect(server.address) as client:
        stuck = client.stream(Stuck(lambda index: FLAT), fps=20, slo_ms=500, num_frames=5)
        async with asyncio.timeout(WAIT_S), stuck:
            async with client.stream(few(10), fps=20, slo_ms=5000) as stream:
                answers = [answer async for answer in stream]
            go.set()
    assert reasons(answers)["in_time"], "it was answered while the other was stuck"


STUCK = """
import asyncio, sys, threading
import moonjelly.client

class Stuck:
    is_live = True
    def read(self, index):
        threading.Event().wait()
    def close(self):
        pass

async def main():
    async with moonjelly.client.connect(sys.argv[1]) as client:
        async with client.stream(Stuck(), fps=10, slo_ms=500) as stream:
            await asyncio.sleep(0.3)

asyncio.run(main())
"""


def test_a_program_ends_though_a_source_is_stuck(threaded_server):
    subprocess.run([sys.executable, "-c", STUCK, threaded_server.address], check=True, timeout=60)


async def test_no_camera_pays_for_anothers_source(tmp_path):
    def camera(name, server):
        return EmulatedCamera(stream_id=name, source="unused", fps=20, slo_ms=5000, server=server)

    sources = [
        few(20, SOFT),
        Own(then_raise(ZeroDivisionError("x"))),
        Own(then_raise(KeyboardInterrupt())),
        RunError("camera rtsp://h: cannot be opened: x"),
        Own(lambda index: FLAT / 255),
    ]
    async with FakeServer() as server:
        cameras = [camera(f"cam-{k}", server.address) for k in range(len(sources))]
        results = await run_cameras(cameras, None, tmp_path, sources=sources)
    assert results[0].problem is None
    assert results[0].ledger.captured == 20
    problems = [str(result.problem) for result in results[1:]]
    assert problems == [
        "cam-1: the source failed: ZeroDivisionError: x",
        "the source failed: KeyboardInterrupt",
        "camera rtsp://h: cannot be opened: x",
        "picture of float64 [90, 160, 3]: must be uint8 [height, width, 3], blue, green, red",
    ]


async def test_a_source_that_cannot_be_opened_leaves_other_cameras_alone(tmp_path, pictures):
    (tmp_path / "empty").mkdir()
    async with FakeServer() as server:
        cameras = [
            EmulatedCamera(
                stream_id=name, source=str(source), fps=50, slo_ms=5000, server=server.address
            )
            for name, source in (("a", pictures), ("b", tmp_path / "empty"), ("c", "camera:0"))
        ]
        results = await run_cameras(cameras, 0.2, tmp_path)
    assert [result.ledger.captured for result in results] == [10, 0, 0]
    assert "holds no picture" in str(results[1].problem)
    assert "camera /dev/video0: cannot be opened" in str(results[2].problem)


async def _take(stream, answers):
    async for answer in stream:
        answers.append(answer)
