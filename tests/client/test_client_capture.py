from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from moonjelly.client.capture import capture_frames
from moonjelly.client.sources import ArraySource
from moonjelly.core.clock import MonotonicClock
from moonjelly.core.verdict import Reason

IMAGE = np.zeros((4, 4, 3), np.uint8)


class StallingClock(MonotonicClock):
    """The real clock, that can be put forward as if the program had been suspended."""

    def __init__(self):
        self.ahead_ms = 0.0

    def now_ms(self):
        return super().now_ms() + self.ahead_ms


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


async def captured(source, fps, num_frames, executor, clock=None, on_frame=None):
    frames = []

    def take(index, captured_ms, image):
        frames.append((index, captured_ms, not isinstance(image, Reason)))
        if on_frame is not None:
            on_frame(index)

    clock = clock or MonotonicClock()
    await capture_frames(source, fps, num_frames, executor, clock, take)
    return frames


async def test_frames_are_due_in_periods_of_the_first(executor):
    frames = await captured(ArraySource([IMAGE]), 200, 20, executor)
    assert [index for index, _, _ in frames] == list(range(20))
    times = np.array([ms for _, ms, _ in frames])
    assert times - times[0] == pytest.approx(5.0 * np.arange(20))


async def test_capturing_ends_with_the_source(executor):
    frames = await captured(ArraySource([IMAGE], 3), 10, None, executor)
    assert [index for index, _, _ in frames] == [0, 1, 2]
    assert await captured(ArraySource([IMAGE], 0), 500, None, executor) == []


async def test_frames_missed_in_a_stall_are_captured_without_pictures(executor):
    clock = StallingClock()

    def stall(index):
        if index == 2:
            clock.ahead_ms += 5000.0  # ten periods, each longer than this machine may be late

    frames = await captured(ArraySource([IMAGE]), 2, 15, executor, clock, stall)
    assert [index for index, _, _ in frames] == list(range(15))
    without = [index for index, _, has_image in frames if not has_image]
    assert without == list(range(3, 12)), "reading goes on with the frame that is due now"
    times = np.array([ms for _, ms, _ in frames])
    assert times - times[0] == pytest.approx(500.0 * np.arange(15)), "no drift"


async def test_a_source_slower_than_the_rate_is_read_as_fast_as_it_goes(executor):
    class Slow(ArraySource):
        def __init__(self):
            super().__init__([IMAGE])
            self.num_read = 0

        def read(self, index):
            self.num_read += 1
            clock.ahead_ms += 35.0  # of a period of 10
            return super().read(index)

    clock = StallingClock()
    source = Slow()
    frames = await captured(source, 100, 40, executor, clock)
    assert [index for index, _, _ in frames] == list(range(40)), "each due frame is accounted for"
    assert source.num_read < 20


async def test_a_live_source_is_captured_when_its_picture_is_there(executor):
    class Live(ArraySource):
        is_live = True

        def read(self, index):
            clock.ahead_ms += 25.0  # of a period of 10
            return super().read(index)

    clock = StallingClock()
    frames = await captured(Live([IMAGE], 30), 100, None, executor, clock)
    indices = [index for index, _, _ in frames]
    assert indices == sorted(set(indices))
    assert all(has_image for _, _, has_image in frames)
    assert len(frames) < 20, "frames that the camera did not give are no frames"


async def test_capturing_can_be_stopped(executor):
    source = ArraySource([IMAGE])
    task = asyncio.create_task(captured(source, 100, None, executor))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
