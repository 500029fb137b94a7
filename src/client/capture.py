"""Captures frames at a steady rate, off the event loop, and without drift."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor

from ..core.clock import Clock
from ..core.errors import RunError
from ..vision.preprocessing import Image
from .sources import FrameSource
from .workers import call_in

OnFrame = Callable[[int, float, Image | None], None]
"""Takes the number of a frame, when it was captured (monotonic ms), and its picture."""


async def capture_frames(
    source: FrameSource,
    fps: float,
    num_frames: int | None,
    executor: Executor,
    clock: Clock,
    on_frame: OnFrame,
) -> None:
    """Captures until the source ends.

    Frame k is due k periods after the first one, whatever happened before. Sources that are not live
    read ahead, so a frame is captured when it is due. If reading took so long that later frames are due
    already, those have no picture any more; they are captured all the same, as a camera would have, and
    reading goes on with the frame that is due now. A live source has its picture when it has it.

    Args:
        source: where pictures come from.
        fps: frame rate.
        num_frames: number of frames that are due before it ends; None for no limit.
        executor: runs the source's methods, one at a time.
        clock: monotonic.
        on_frame: called for each captured frame; without a picture where that came too late.

    Raises:
        RunError: if the source fails.
    """
    period_ms = 1000.0 / fps
    end = math.inf if num_frames is None else num_frames
    index = 0
    image = None if source.is_live else await _read(source, 0, executor)
    start_ms = clock.now_ms()
    while index < end:
        due_ms = start_ms + index * period_ms
        await asyncio.sleep(max(0.0, due_ms - clock.now_ms()) / 1000)
        if source.is_live:
            image = await _read(source, index, executor)
            due_ms = clock.now_ms()
        if image is None:
            return
        on_frame(index, due_ms, image)
        newest = int((clock.now_ms() - start_ms) / period_ms)
        if source.is_live:
            index = max(index, newest) + 1
            continue
        missed = range(index + 1, int(min(max(index + 1, newest), end)))
        index += 1 + len(missed)
        if index < end:
            image = await _read(source, index, executor)
        if image is not None:  # else the source has ended, who knows where
            for number in missed:
                on_frame(number, start_ms + number * period_ms, None)


async def _read(source: FrameSource, index: int, executor: Executor) -> Image | None:
    """Reads a picture; a source that raises StopIteration, as iterators do, has ended."""
    try:
        return await call_in(executor, source.read, index)
    except RunError as error:
        if isinstance(error.__cause__, StopIteration):
            return None
        raise
