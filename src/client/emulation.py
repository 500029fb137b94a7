"""Emulated devices: many cameras in one process, with their logs."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from ..core.answers import Detections
from ..core.checks import require_not_negative, require_positive
from ..core.clock import MonotonicClock
from ..core.errors import RunError
from ..core.ledger import Ledger
from ..core.records import FrameRecord
from ..files.csv_log import CsvLog
from ..files.line_file import LineFile
from ..reporting.run_folder import ANSWERS_FILE, FRAMES_FILE, StreamInfo
from .access import NO_ACCESS, Access
from .answers import Answer
from .client import Client
from .connection import check_address
from .entering import describe
from .errors import Refused
from .options import StreamOptions
from .sources import FrameSource, open_source
from .stream import Stream
from .threads import Workers

_log = logging.getLogger(__name__)

FLUSH_PERIOD_S = 1.0

_OPENED_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedCamera(StreamOptions):
    """One camera to emulate; its stream id is unique in its run.

    Attributes:
        source: what `open_source` takes.
        server: HOST:PORT of the server, or of a link that leads to it.
        access: to it.
    """

    source: str = field(repr=False)  # perhaps with a password
    server: str
    access: Access = NO_ACCESS

    def __post_init__(self) -> None:
        self.access.check(check_address(self.server))
        StreamOptions.__post_init__(self)  # `super` knows not the class that slots make


@dataclass(slots=True)
class CameraResult:
    """What came of a camera.

    Attributes:
        class_names: of the zoo that answered, by class id.
        problem: what ended it early, or kept it from starting; a `Refused` holds what would fit.
        num_late_answers: answers that came after their frames had been given up.
        num_taken: how often another registration of its id took its place.
    """

    camera: EmulatedCamera
    ledger: Ledger = field(default_factory=Ledger)
    class_names: tuple[str, ...] = ()
    problem: RunError | None = None
    num_late_answers: int = 0
    num_taken: int = 0

    def stream_info(self, link: str = "") -> StreamInfo:
        """The camera as `run.json` describes it."""
        notes = [f"its place was taken {self.num_taken} times"] if self.num_taken else []
        if self.problem is not None:
            notes.insert(0, "refused" if isinstance(self.problem, Refused) else str(self.problem))
        return StreamInfo(
            stream_id=self.camera.stream_id,
            fps=self.camera.fps,
            slo_ms=self.camera.slo_ms,
            captured=self.ledger.captured,
            duplicated=self.ledger.duplicated,
            source=self.camera.source,
            link=link,
            note="; ".join(notes),
        )


class _Logs:
    """The frame log and the answers of a run; a full disk does not stop it."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._frames = stack.enter_context(CsvLog(folder / FRAMES_FILE, FrameRecord))
        self._answers = LineFile(folder / ANSWERS_FILE)
        stack.callback(self._answers.close)

    def write(self, answer: Answer) -> None:
        """Writes an answer."""
        self._frames.write(answer.record)
        found = answer.found
        if found is None:
            return
        row: dict[str, object] = {"stream_id": answer.stream_id, "sequence": answer.sequence}
        if isinstance(found, Detections):
            row["boxes"] = [[round(x, 5) for x in box] for box in found.boxes.tolist()]
        row["scores"] = [round(score, 4) for score in found.scores.tolist()]
        row["class_ids"] = found.class_ids.tolist()
        self._answers.write(json.dumps(row) + "\n")

    async def keep_flushing(self) -> None:
        """Hands over what was written, every second: whoever kills the program loses no more than that."""
        while True:
            self.flush()
            await asyncio.sleep(FLUSH_PERIOD_S)

    def flush(self) -> None:
        """Hands over what was written."""
        self._frames.flush()
        self._answers.flush()

    def problem(self) -> str:
        """What was lost, in a line; empty if nothing was."""
        num_rows, num_lines = self._frames.num_dropped, self._answers.num_lost
        if not num_rows and not num_lines:
            return ""
        reason = self._frames.problem or self._answers.problem
        return f"{FRAMES_FILE} lost {num_rows} rows and {ANSWERS_FILE} {num_lines}: {reason}"


OpenedSource = FrameSource | RunError
"""A source, or why it could not be opened."""


def open_sources(cameras: Sequence[EmulatedCamera]) -> list[OpenedSource]:
    """Opens the sources of cameras, several at a time; making a scene takes a moment.

    Raises:
        UsageError: if none could be opened, as the first does not exist.
        RunError: if none could be opened, for what kept the first from it.
    """
    pool = ThreadPoolExecutor(_OPENED_AT_ONCE, "open")
    try:
        opening = [pool.submit(open_source, camera.source, camera.fps) for camera in cameras]
        errors = [future.exception() for future in opening]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if errors and all(errors):
        raise errors[0] or AssertionError
    return [
        future.result() if error is None else RunError(describe(error))
        for future, error in zip(opening, errors, strict=True)
    ]


def start_phases_s(rates_fps: Sequence[float], seed: int) -> list[float]:
    """How long each camera waits before it connects: a random moment of its first frame period."""
    generator = random.Random(seed)  # noqa: S311 only spreads the starts
    return [generator.uniform(0, 1 / fps) for fps in rates_fps]


async def run_cameras(
    cameras: Sequence[EmulatedCamera],
    seconds: float | None,
    out_dir: Path,
    *,
    sources: Sequence[OpenedSource] | None = None,
    zero_ms: float | None = None,
    seed: int = 0,
    starts_s: Sequence[float] | None = None,
    stop: asyncio.Event | None = None,
    on_answer: Callable[[Answer], None] | None = None,
    on_loss: Callable[[str], None] | None = None,
) -> list[CameraResult]:
    """Streams cameras at the same time, and logs every frame in `frames.csv` and `answers.jsonl`.

    Each camera has its own connection, and starts at a random moment of its first frame period, or so much later
    than its time to start. One that is refused or fails leaves the others alone.

    Args:
        cameras: of different stream ids.
        seconds: how long each camera captures; None for as long as its source goes on.
        out_dir: existing folder.
        sources: what `open_sources` gave; they are opened first, if it is not given.
        zero_ms: time of the monotonic clock from which the times of the log count; the start of the
            cameras, if it is not given.
        seed: of the moments at which cameras start.
        starts_s: each camera's time to start; at once, if it is not given.
        stop: ends capturing early when it is set.
        on_answer: called with each answer.
        on_loss: called at the end if rows of the logs were lost, as on a full disk, with a line that says so.

    Raises:
        ValueError: if two cameras share an id, or `seconds` is out of range.
        UsageError: if none of the sources exists.
        RunError: if none of them can be opened.
        OSError: if a log cannot be created.
    """
    ids = [camera.stream_id for camera in cameras]
    if len(set(ids)) != len(ids):
        raise ValueError(f"stream_id: {next(i for i in ids if ids.count(i) > 1)} is used twice")
    if seconds is not None:
        require_positive("seconds", seconds)
    require_not_negative("seed", seed)
    phases_s = start_phases_s([camera.fps for camera in cameras], seed)
    starts_s = [0.0] * len(cameras) if starts_s is None else starts_s
    delays_s = [start_s + phase_s for start_s, phase_s in zip(starts_s, phases_s, strict=True)]
    stop = asyncio.Event() if stop is None else stop
    cv2.setNumThreads(1)  # the cores are wanted by others, often by the server itself
    workers = Workers()
    results = [CameraResult(camera) for camera in cameras]
    with contextlib.ExitStack() as stack:
        stack.callback(workers.close)
        if sources is None:  # all before the first frame: one would hold up the others
            loop = asyncio.get_running_loop()
            sources = await loop.run_in_executor(workers.reader, open_sources, cameras)
        logs = _Logs(out_dir, stack)

        def take(answer: Answer) -> None:
            logs.write(answer)
            if on_answer is not None:
                on_answer(answer)

        zero_ms = MonotonicClock().now_ms() if zero_ms is None else zero_ms
        flushing = asyncio.create_task(logs.keep_flushing(), name="flush logs")
        stack.callback(flushing.cancel)
        async with asyncio.TaskGroup() as group:
            for result, source, delay_s in zip(results, sources, delays_s, strict=True):
                if isinstance(source, RunError):
                    result.problem = source
                    continue
                camera = result.camera
                options = dataclasses.replace(
                    camera,
                    num_frames=None if seconds is None else max(1, round(seconds * camera.fps)),
                    zero_ms=zero_ms,
                )
                group.create_task(
                    _run_camera(result, source, options, workers, delay_s, stop, take),
                    name=f"camera {camera.stream_id}",
                )
    if on_loss is not None and (problem := logs.problem()):
        on_loss(problem)
    return results


async def _run_camera(
    result: CameraResult,
    source: FrameSource,
    options: EmulatedCamera,
    workers: Workers,
    delay_s: float,
    stop: asyncio.Event,
    take: Callable[[Answer], None],
) -> None:
    """Streams one camera until its time is over; whatever goes wrong is its own problem."""
    stream_id = options.stream_id
    try:
        if await _is_set_within(stop, delay_s):
            workers.reader.submit(source.close)
            return
        async with Client(options.server, workers, options.access) as client:
            stream = client.stream_of(source, options)
            result.ledger = stream.ledger
            entering = asyncio.create_task(stream.__aenter__(), name="connect camera")
            stopping = asyncio.create_task(
                _stop_when_told(stream, entering, stop), name="stop camera"
            )
            try:
                async with contextlib.AsyncExitStack() as stack:
                    stack.push_async_exit(stream)
                    await _entered(entering, stream_id)
                    result.class_names = stream.class_names
                    async for answer in stream:
                        take(answer)
            finally:
                stopping.cancel()
                result.num_late_answers = stream.num_late_answers
                result.num_taken = stream.num_taken
    except RunError as problem:
        result.problem = problem
    except Exception as error:  # noqa: BLE001 no camera pays for another's source
        result.problem = RunError(f"{stream_id}: {describe(error)}")


async def _entered(entering: asyncio.Task[Stream], stream_id: str) -> None:
    """Waits until a stream is entered; RunError if it was stopped before."""
    try:
        await entering
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():  # it is us who are cancelled
            raise
        raise RunError(f"{stream_id}: was stopped before the server took it") from None


async def _stop_when_told(
    stream: Stream, entering: asyncio.Task[Stream], stop: asyncio.Event
) -> None:
    await stop.wait()
    entering.cancel()
    stream.stop()


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Waits for an event, but no longer than that; returns whether it has come."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
