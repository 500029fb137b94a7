"""A stream: frames of one source go out, one answer comes back for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from concurrent.futures import Executor, Future
from functools import partial
from typing import Self

from ..core.clock import MonotonicClock
from ..core.ledger import Ledger
from ..core.zoo import Fit, Task
from ..protos import serving_pb2 as pb
from ..vision.fits import Image
from ..vision.preprocessing import encode_frame
from .account import Account
from .answers import Answer, Inbox
from .capture import capture_frames
from .connection import Connection
from .connections import Connections, check_not_forked, was_forked
from .entering import call_guarded, encoded
from .options import StreamOptions
from .registrar import Registrar
from .session import Encoder, Session
from .sources import EncodingSource, FrameSource, open_source
from .sources.port import check_source, reads_at_once
from .threads import OneThread, Workers

TASKS = {pb.Task.Value(task.name): task for task in Task}

_log = logging.getLogger(__name__)


class Stream:
    """Answers to the frames of one source; an asynchronous context manager and iterator.

    Entering it opens the source and registers the stream. Captured frames then go out by themselves,
    over as many sessions as it takes, until the source ends, `stop` is called or the block is left; each
    of them yields exactly one answer. Leaving the block waits for the answers that are still due.

    Attributes:
        options: what was asked for.
        class_names: of the zoo, by class id; empty before it is entered.
        task: what the zoo does, which tells detections from labels; None before, or where that is not known here.
    """

    def __init__(
        self,
        connections: Connections,
        source: FrameSource | str | os.PathLike[str],
        options: StreamOptions,
        workers: Workers,
    ) -> None:
        """Prepares the stream; nothing is opened or sent yet.

        Raises:
            ValueError: if that is no source.
        """
        self.options = options
        self.class_names: tuple[str, ...] = ()
        self.task: Task | None = None
        self._connections = connections
        self._source = check_source(source)
        self._workers = workers
        # What a source does itself must not keep other streams waiting.
        self._reader = OneThread(f"read-{options.stream_id}")
        self._encoder = OneThread(f"encode-{options.stream_id}")
        self._clock = MonotonicClock()
        self._inbox = Inbox(options.max_unread)
        self._account = Account(options, self._clock, self._deliver)
        self._link = self._account.sender.link
        self._connection: Connection | None = None
        self._is_capturing = False
        self._is_stopped = False  # perhaps before capturing has begun
        self._settled = asyncio.Event()  # nothing will be captured, and no frame is open
        self._registrar = Registrar(options, self._link, self._clock)
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it was entered
        self._capturing: asyncio.Task[None] | None = None
        self._source_problem: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def stream_id(self) -> str:
        """The stream's id."""
        return self.options.stream_id

    @property
    def ledger(self) -> Ledger:
        """The counts of the stream's frames, to be read only."""
        return self._account.sender.ledger

    @property
    def num_late_answers(self) -> int:
        """Answers that came after their frame had been given up here."""
        return self._account.sender.num_late_answers

    @property
    def num_taken(self) -> int:
        """How often another registration of its id took its place."""
        return self._registrar.reconnecting.num_taken

    @property
    def num_unread(self) -> int:
        """Answers thrown away because nobody took them."""
        return self._inbox.num_thrown_away

    @property
    def bandwidth_kbps(self) -> float:
        """The newest estimate of the uplink's rate."""
        return self._link.bandwidth_kbps(self._clock.now_ms())

    @property
    def wire_ms(self) -> float:
        """The one-way delay of the link, as measured or given."""
        return self._link.wire_ms

    def stop(self) -> None:
        """Captures nothing any more; frames under way are still answered, then the iteration ends.

        May be called from any thread.
        """
        self._is_stopped = True
        if self._capturing is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # a loop that is closed captures nothing
                self._loop.call_soon_threadsafe(self._capturing.cancel)

    async def __aenter__(self) -> Self:
        """Opens the source and registers the stream.

        Raises:
            UsageError: if there is no such source.
            RunError: if the source cannot be opened.
            Refused: if the server has no room; with what would fit.
            Unavailable: if no server takes streams within `connect_timeout_s`.
            StreamFailed: if the server does not take such a stream at all.
            RuntimeError: if it was entered before, or its client is not open in this event loop.
        """
        check_not_forked()
        if self._loop is not None:
            raise RuntimeError(f"{self.stream_id}: was entered before; a stream is good for once")
        self._connection = self._connections.take()
        self._loop = asyncio.get_running_loop()
        try:
            source = await self._open()
            try:
                reply = await self._registrar.register_first(self._connection)
            except BaseException:
                self._close(source)
                raise
        except BaseException:
            self._connections.give_back(self._connection)
            raise
        self._learn_zoo(reply)
        self._task = asyncio.create_task(
            self._run(source, self._connection, reply), name=f"stream {self.stream_id}"
        )
        self._task.add_done_callback(partial(self._end, source, self._connection))
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        if self._task is None or was_forked():
            return
        self._check_loop()
        if error is None:
            self.stop()
            await self._task
        else:
            await self.abandon()

    async def abandon(self) -> None:
        """Ends at once: what is under way is not waited for."""
        if self._task is None:
            return
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # what made us leave matters more

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Answer:
        """The next answer.

        Raises:
            StreamFailed: if the server ended the stream for good.
            RunError: if the source failed.
            RuntimeError: if it is not entered, or is iterated twice at the same time.
        """
        if self._task is None:
            raise RuntimeError(
                f"{self.stream_id}: is not entered; use it as `async with client.stream(...) as stream`"
            )
        self._check_loop()
        answer = await self._inbox.get()
        if answer is None:
            if self._task.done() and not self._task.cancelled():
                self._task.result()
            raise StopAsyncIteration
        return answer

    def _check_loop(self) -> None:
        check_not_forked()
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(f"{self.stream_id}: belongs to another event loop")

    async def _open(self) -> FrameSource:
        """Opens the source, if text names it."""
        if not isinstance(self._source, (str, os.PathLike)):
            return self._source
        opening = self._reader.submit(open_source, self._source, self.options.fps)
        try:
            return await asyncio.wrap_future(opening)
        except BaseException:
            opening.add_done_callback(_close_unwanted)  # nobody waits for it any more
            self._reader.shutdown(wait=False)
            raise

    async def _run(
        self, source: FrameSource, connection: Connection, reply: pb.RegisterReply
    ) -> None:
        """Captures, and keeps a session open, until everything captured has its verdict."""
        self._is_capturing = True
        self._capturing = asyncio.create_task(
            capture_frames(
                source,
                self.options.fps,
                self.options.num_frames,
                self._workers.reader if reads_at_once(source) else self._reader,
                self._clock,
                self._account.capture,
            ),
            name=f"capture {self.stream_id}",
        )
        self._capturing.add_done_callback(self._end_capture)
        if self._is_stopped:
            self._capturing.cancel()
        measuring = asyncio.create_task(
            self._registrar.keep_measuring_wire(connection), name="measure the wire"
        )
        try:
            is_apart = isinstance(source, EncodingSource) and not reads_at_once(source)
            encoder = self._encoder if is_apart else self._workers.encoder
            await self._stay_connected(connection, reply, _encode_of(source), encoder)
            if self._source_problem is not None:
                raise self._source_problem
        finally:
            measuring.cancel()
            self._capturing.cancel()

    def _end(self, source: FrameSource, connection: Connection, task: asyncio.Task[None]) -> None:
        """Lets everything go, even if the task was ended before it could begin."""
        del task
        self._account.disconnect()
        self._inbox.end()
        self._connections.give_back(connection)
        self._close(source)

    def _close(self, source: FrameSource) -> None:
        """Has a source closed after what it is doing, and waits for nothing."""
        reader = self._workers.reader if reads_at_once(source) else self._reader
        with contextlib.suppress(RuntimeError):  # the threads have been ended with the client
            reader.submit(source.close)
        self._reader.shutdown(wait=False)
        self._encoder.shutdown(wait=False)

    def _end_capture(self, task: asyncio.Task[None]) -> None:
        self._is_capturing = False
        if not task.cancelled():
            self._source_problem = task.exception()
        self._check_settled()

    def _learn_zoo(self, reply: pb.RegisterReply) -> None:
        self.class_names = tuple(reply.zoo.class_names)
        self.task = TASKS.get(reply.zoo.task)

    def _deliver(self, answer: Answer) -> None:
        self._inbox.put(answer)
        self._check_settled()

    def _check_settled(self) -> None:
        if not self._is_capturing and not self._account.sender.num_open:
            self._settled.set()

    async def _stay_connected(
        self, connection: Connection, reply: pb.RegisterReply, encode: Encoder, encoder: Executor
    ) -> None:
        """Serves session after session, until nothing is captured or open any more."""
        while not self._settled.is_set():
            self._learn_zoo(reply)  # it may be another one after each loss
            session = Session(connection, reply, self._account, encode, encoder)
            start_ms = self._clock.now_ms()
            try:
                end = await session.run(self._settled)
            finally:
                self._account.disconnect()
            if self._settled.is_set():
                return
            if end.is_taken:
                wait_ms = self._registrar.reconnecting.on_taken(self._clock.now_ms() - start_ms)
                _log.warning(
                    "%s: its place was taken: %s; asking again", self.stream_id, end.detail
                )
            else:
                wait_ms = self._registrar.reconnecting.on_loss(session.has_worked)
                _log.info("%s: the connection is lost: %s", self.stream_id, end.detail)
            next_reply = await self._registrar.register_again(connection, wait_ms, self._settled)
            if next_reply is None:
                return
            reply = next_reply


def _close_unwanted(opening: Future[FrameSource]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _encode_of(source: FrameSource) -> Encoder:
    """How pictures of a source are encoded: by itself, if it can."""
    if not isinstance(source, EncodingSource):
        return encode_frame

    def encode(image: Image, side_px: int, quality: int, fit: Fit) -> bytes:
        return encoded(call_guarded(source.encode, image, side_px, quality, fit))

    return encode
