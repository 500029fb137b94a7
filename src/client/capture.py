"""Captures frames at a steady rate, off the event loop, and without drift."""

from __future__ import annotations

import asyncio
import logging
import math
import numbers
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from ..core.checks import echo
from ..core.clock import Clock
from ..core.errors import RunError
from ..core.limits import SLO_MS
from ..core.verdict import Reason
from ..vision.fits import Image
from .due_frames import DueFrames, LiveFrames
from .entering import call_guarded, entered
from .sources import FrameSource, NoPicture, Picture
from .sources.port import pictures_stay

OnFrame = Callable[[int, float, Image | Reason], None]
"""Takes the number of a frame, when it was captured (monotonic ms), and its picture or why there is none."""

Value = TypeVar("Value")

_RESPITE_S = 0.001  # so that a source that does not wait keeps no core busy
_LOST_RESPITE_S = 0.05
_FAR_MS = SLO_MS.most  # no stream has use for an older picture, and none comes from so far ahead
_CLOCK = "a time of the monotonic clock (time.monotonic() * 1000)"

_log = logging.getLogger(__name__)


async def capture_frames(
    source: FrameSource,
    fps: float,
    num_frames: int | None,
    executor: Executor,
    clock: Clock,
    on_frame: OnFrame,
) -> None:
    """Captures until the source ends, or the last frame's period is over.

    Frame k is due k periods after the first one, whatever happened before. Sources that are not live
    read ahead, so a frame is captured when it is due. If reading took so long that later frames are due
    already, those have no picture any more; they are captured all the same, as a camera would have, and
    reading goes on with the frame that is due now.

    A live source is read without pause, so that no picture grows old in it. Those whose turn has come are frames,
    captured when the source says; `LiveFrames` tells which, and which frames a silent source owes.

    Raises:
        RunError: if the source fails, or gives what is no picture.
        Exception: whatever else the source raises.
    """
    reading = _Reading(source, executor, clock)
    end = math.inf if num_frames is None else num_frames
    if source.is_live:
        await _capture_live(reading, fps, end, clock, on_frame)
    else:
        await _capture_ahead(reading, fps, end, clock, on_frame)


async def _capture_ahead(
    reading: _Reading, fps: float, end: float, clock: Clock, on_frame: OnFrame
) -> None:
    image = await reading.image(0)
    due = DueFrames(fps, clock.now_ms(), end)
    index = 0
    while index < end and image is not None:
        due_ms = due.due_ms(index)
        await asyncio.sleep(max(0.0, due_ms - clock.now_ms()) / 1000)
        on_frame(index, due_ms, image)
        missed = due.missed(index, clock.now_ms())
        if missed.stop < end:
            reads = asyncio.create_task(reading.image(missed.stop), name="read ahead")
            try:  # who never answers must not hold up the end
                await asyncio.wait({reads}, timeout=_left_s(due.end_ms + due.period_ms, clock))
                if reads.done():
                    image = reads.result()
                else:
                    missed = range(index + 1, int(end))
            finally:
                reads.cancel()
        if image is not None:  # else the source has ended, who knows where
            for number in missed:
                on_frame(number, due.due_ms(number), Reason.CLIENT_TOO_SLOW)
        index = missed.stop


async def _capture_live(
    reading: _Reading, fps: float, end: float, clock: Clock, on_frame: OnFrame
) -> None:
    start_ms = clock.now_ms()
    due = DueFrames(fps, start_ms, end)
    frames = LiveFrames(due, start_ms)

    def drop_owed(is_lost: bool) -> None:
        for number in frames.owed(clock.now_ms(), is_lost):
            on_frame(number, due.due_ms(number), Reason.SOURCE_LOST)

    reads: asyncio.Task[Picture | Reason | None] | None = None
    is_lost = False
    try:
        while not frames.is_over(clock.now_ms()):
            if reads is None:
                number = frames.next_number(clock.now_ms())
                reads = asyncio.create_task(reading.picture(number), name="read a picture")
            await asyncio.wait({reads}, timeout=_left_s(frames.wake_ms(), clock))
            if not reads.done():
                drop_owed(is_lost)
                continue
            read, reads = reads.result(), None
            if read is None:
                return
            is_lost = isinstance(read, Reason)
            if isinstance(read, Reason):
                drop_owed(is_lost)
                await asyncio.sleep(_LOST_RESPITE_S)
                continue
            now_ms = clock.now_ms()
            captured_ms = min(read.captured_ms, now_ms)
            taken = frames.take(captured_ms, now_ms)
            if taken is None:
                await asyncio.sleep(_RESPITE_S)
            else:
                on_frame(taken, captured_ms, await reading.enter(read))
        drop_owed(is_lost)
    finally:
        if reads is not None:
            reads.cancel()


def _left_s(until_ms: float, clock: Clock) -> float | None:
    """How long it is until then; None for ever."""
    return None if math.isinf(until_ms) else max(0.0, until_ms - clock.now_ms()) / 1000


class _Reading:
    """Reads a source in its thread."""

    def __init__(self, source: FrameSource, executor: Executor, clock: Clock) -> None:
        self._source = source
        self._executor = executor
        self._clock = clock
        self._may_change = not pictures_stay(source)
        self._has_told = False

    async def image(self, index: int) -> Image | Reason | None:
        """The picture of a frame, read ahead; None at the end."""
        return await self._run(self._read_image, index)

    async def picture(self, index: int) -> Picture | Reason | None:
        """The next picture of a live source; None at the end."""
        return await self._run(self._read_picture, index)

    async def enter(self, picture: Picture) -> Image | Reason:
        """The picture itself, of one that is wanted."""
        return await self._run(self._enter, picture.image)

    async def _run(self, function: Callable[..., Value], *arguments: object) -> Value:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, function, *arguments)

    def _read_image(self, index: int) -> Image | Reason | None:
        try:
            image = call_guarded(self._source.read, index)
        except NoPicture:
            return Reason.SOURCE_LOST
        if image is None:
            return None
        return self._enter(image.image if isinstance(image, Picture) else image)

    def _read_picture(self, index: int) -> Picture | Reason | None:
        try:
            picture = call_guarded(self._source.read, index)
        except NoPicture:
            return Reason.SOURCE_LOST
        if picture is None:
            return None
        now_ms = self._clock.now_ms()
        if not isinstance(picture, Picture):
            return Picture(now_ms, picture)
        captured_ms = picture.captured_ms
        is_number = isinstance(captured_ms, numbers.Real)
        if not (is_number and -math.inf < captured_ms <= now_ms + _FAR_MS):
            raise RunError(f"captured_ms={echo(captured_ms)}: must be {_CLOCK}, now {now_ms:.0f}")
        if captured_ms < now_ms - _FAR_MS:
            if not self._has_told:
                self._has_told = True
                _log.warning(
                    "captured_ms=%s: is too old for any stream; it must be %s, now %.0f",
                    captured_ms, _CLOCK, now_ms,
                )  # fmt: skip
            return Reason.SOURCE_LOST
        return picture

    def _enter(self, image: Image | Callable[[], Image]) -> Image | Reason:
        try:
            return entered(call_guarded(image) if callable(image) else image, self._may_change)
        except NoPicture:
            return Reason.SOURCE_LOST
