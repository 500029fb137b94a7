"""A stream: frames of one source go out, one answer comes back for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from types import TracebackType
from typing import Self

from ..core.clock import Clock, MonotonicClock
from ..core.ledger import Ledger
from ..core.verdict import Reason
from ..network.adaptation.registry import policy
from ..network.client_link import NO_ANSWER_AFTER_MS, ClientLink
from ..network.estimators import make_estimator
from ..protos import serving_pb2 as pb
from ..vision.preprocessing import Image, encode_frame
from .account import Account, CapturedFrame
from .answers import Answer
from .capture import capture_frames
from .connection import Connection, backoff_s
from .entering import call_guarded, encoded
from .errors import Refused, Unavailable
from .inbox import Inbox
from .one_thread import OneThread
from .options import StreamOptions
from .session import Encode, Session
from .sources import EncodingSource, FrameSource, open_source
from .sources.port import check_source, reads_at_once
from .wire_probe import keep_measuring_wire
from .workers import Workers

_log = logging.getLogger(__name__)

MAX_RETRY_AFTER_MS = 60_000.0


class Stream:
    """Answers to the frames of one source; an asynchronous context manager and iterator.

    Entering it opens the source and registers the stream. Captured frames then go out by themselves,
    over as many sessions as it takes, until the source ends, `stop` is called or the block is left; each
    of them yields exactly one answer. Leaving the block waits for the answers that are still due.

    Attributes:
        options: what was asked for.
        class_names: of the zoo, by class id; empty before it is entered.
    """

    def __init__(
        self,
        connection: Connection,
        source: FrameSource | str | os.PathLike[str],
        options: StreamOptions,
        workers: Workers,
        clock: Clock | None = None,
    ) -> None:
        """Prepares the stream; nothing is opened or sent yet.

        Raises:
            TypeError: if that is no source.
        """
        if not isinstance(source, (str, os.PathLike)):
            check_source(source)
        self.options = options
        self.class_names: tuple[str, ...] = ()
        self._connection = connection
        self._source = source
        self._workers = workers
        # What a source does itself must not keep other streams waiting.
        self._reader = OneThread(f"read-{options.stream_id}")
        self._encoder = OneThread(f"encode-{options.stream_id}")
        self._clock = MonotonicClock() if clock is None else clock
        self._inbox = Inbox(options.max_unread)
        zero_ms = self._clock.now_ms() if options.zero_ms is None else options.zero_ms
        self._account = Account(options.stream_id, options.slo_ms, zero_ms, self._deliver)
        self._link = ClientLink(
            options.fps,
            options.slo_ms,
            make_estimator(options.bandwidth_kbps, options.wire_ms or 0.0, options.estimator),
            policy(options.policy, options.ladder),
        )
        self._session: Session | None = None
        self._is_capturing = False
        self._is_stopped = False  # perhaps before capturing has begun
        self._settled = asyncio.Event()  # nothing will be captured, and no frame is open
        self._generator = random.Random()  # noqa: S311 only spreads reconnections
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
        return self._account.ledger

    @property
    def num_late_answers(self) -> int:
        """Answers that came after their frame had been given up here."""
        return self._account.num_late_answers

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
        """Captures nothing any more; frames under way are still answered, then the iteration ends."""
        self._is_stopped = True
        if self._capturing is not None:
            self._capturing.cancel()

    async def __aenter__(self) -> Self:
        """Opens the source and registers the stream.

        Raises:
            UsageError: if there is no such source.
            RunError: if the source cannot be opened.
            Refused: if the server has no room; with what would fit.
            Unavailable: if no server answers within `connect_timeout_s`.
            StreamFailed: if the server does not take such a stream at all.
        """
        source = await self._open()
        try:
            async with asyncio.timeout(self.options.connect_timeout_s):
                reply = await self._register_first()
        except TimeoutError:
            self._close(source)
            raise self._last_problem from None
        except BaseException:
            self._close(source)
            raise
        self.class_names = tuple(reply.zoo.class_names)
        self._task = asyncio.create_task(self._run(source, reply), name=f"stream {self.stream_id}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is None:
            return
        if error is None:
            self.stop()
            await self._task
        else:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.exception()  # the one that is on its way matters more

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Answer:
        """The next answer.

        Raises:
            StreamFailed: if the server ended the stream for good.
            RunError: if the source failed.
        """
        answer = await self._inbox.get()
        if answer is None:
            if self._task is not None and self._task.done() and not self._task.cancelled():
                self._task.result()
            raise StopAsyncIteration
        return answer

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

    async def _register_first(self) -> pb.RegisterReply:
        """Registers, asking again while no server is there."""
        self._last_problem = Unavailable(f"no server at {self._connection.address}: no answer")
        num_failures = 0
        while True:
            try:
                return await self._register()
            except Unavailable as problem:
                self._last_problem = problem
                num_failures += 1
                await asyncio.sleep(backoff_s(num_failures, self._generator))

    async def _register(self) -> pb.RegisterReply:
        if self.options.wire_ms is None:
            measured_ms = await self._connection.measure_wire_ms()
            if measured_ms is not None:
                self._link.wire_ms = measured_ms
        return await self._connection.register(
            pb.RegisterRequest(
                stream_id=self.stream_id,
                fps=self.options.fps,
                slo_ms=self.options.slo_ms,
                link=pb.LinkEstimate(bandwidth_kbps=self.bandwidth_kbps, wire_ms=self.wire_ms),
                zoo=self.options.zoo,
            )
        )

    async def _run(self, source: FrameSource, reply: pb.RegisterReply) -> None:
        """Captures, and keeps a session open, until everything captured has its verdict."""
        self._is_capturing = True
        self._capturing = asyncio.create_task(
            capture_frames(
                source,
                self.options.fps,
                self.options.num_frames,
                self._workers.reader if reads_at_once(source) else self._reader,
                self._clock,
                self._capture,
            ),
            name=f"capture {self.stream_id}",
        )
        self._capturing.add_done_callback(self._end_capture)
        if self._is_stopped:
            self._capturing.cancel()
        measuring = asyncio.create_task(self._keep_measuring_wire(), name="measure the wire")
        try:
            if isinstance(source, EncodingSource) and not reads_at_once(source):
                await self._stay_connected(reply, _encode_of(source), self._encoder)
            else:
                await self._stay_connected(reply, _encode_of(source), self._workers.encoder)
            if self._source_problem is not None:
                raise self._source_problem
        finally:
            measuring.cancel()
            self._capturing.cancel()
            self._lose_open_frames(Reason.NOT_CONNECTED)
            self._inbox.end()
            self._close(source)

    def _close(self, source: FrameSource) -> None:
        """Has a source closed after what it is doing, and waits for nothing."""
        reader = self._workers.reader if reads_at_once(source) else self._reader
        reader.submit(source.close)
        self._reader.shutdown(wait=False)
        self._encoder.shutdown(wait=False)

    async def _keep_measuring_wire(self) -> None:
        """Follows the delay of the wire, unless it was given."""
        if self.options.wire_ms is None:
            await keep_measuring_wire(
                self._connection, self._link.wire_ms or None, self._clock, self._take_wire
            )

    def _take_wire(self, wire_ms: float) -> None:
        self._link.wire_ms = wire_ms

    def _end_capture(self, task: asyncio.Task[None]) -> None:
        self._is_capturing = False
        if not task.cancelled():
            self._source_problem = task.exception()
        self._check_settled()

    def _deliver(self, answer: Answer) -> None:
        self._inbox.put(answer)
        self._check_settled()

    def _check_settled(self) -> None:
        if not self._is_capturing and not self._account.num_open:
            self._settled.set()

    def _capture(self, sequence: int, captured_ms: float, image: Image | Reason) -> None:
        """Enters a captured frame, and offers it to the session; without a picture it is dropped."""
        reason = image if isinstance(image, Reason) else None
        frame = self._account.capture(
            sequence, captured_ms, None if isinstance(image, Reason) else image
        )
        if reason is not None:
            self._account.give_up(frame, reason)
        elif self._session is None:
            self._account.give_up(frame, Reason.NOT_CONNECTED)
        else:
            left_ms = captured_ms + self.options.slo_ms - self._clock.now_ms()
            self._give_up_after(frame, left_ms, partial(self._session.give_up_unsent, frame))
            self._session.offer(frame)

    def on_sent(self, frame: CapturedFrame) -> None:
        """A frame is handed to the transport: now an answer is due."""
        if not self.options.keep_images:
            frame.image = None
        spent_ms = self._clock.now_ms() - frame.captured_ms
        left_ms = self.options.slo_ms + NO_ANSWER_AFTER_MS - spent_ms
        self._give_up_after(frame, left_ms, partial(self._account.give_up, frame, Reason.NO_ANSWER))

    def _give_up_after(
        self, frame: CapturedFrame, left_ms: float, give_up: Callable[[], None]
    ) -> None:
        """Has a frame given up in a while, unless it has its verdict by then."""
        if frame.timer is not None:
            frame.timer.cancel()
        loop = asyncio.get_running_loop()
        frame.timer = loop.call_later(max(0.0, left_ms) / 1000, give_up)

    async def _stay_connected(
        self, reply: pb.RegisterReply, encode: Encode, encoder: Executor
    ) -> None:
        """Serves session after session, until nothing is captured or open any more."""
        num_failures = 0
        while not self._settled.is_set():
            session = Session(
                self._connection, reply, self._account, self._link, self._clock,
                encoder, encode, self.options, self.on_sent,
            )  # fmt: skip
            self._session = session
            try:
                problem = await session.run(self._settled)
            finally:
                self._session = None
                self._lose_open_frames(Reason.NOT_CONNECTED)
                self._link.on_disconnect()
            if self._settled.is_set():
                return
            _log.info("%s: the connection is lost: %s", self.stream_id, problem)
            num_failures = 1 if session.has_worked else num_failures + 1
            next_reply = await self._register_again(num_failures)
            if next_reply is None:
                return
            reply = next_reply

    async def _register_again(self, num_failures: int) -> pb.RegisterReply | None:
        """Registers after a session was lost; None if nobody needs one any more."""
        wait_s = backoff_s(num_failures, self._generator)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), wait_s)
                return None
            num_failures += 1
            wait_s = backoff_s(num_failures, self._generator)
            try:
                return await self._register()
            except Unavailable as problem:
                _log.debug("%s: %s", self.stream_id, problem)
            except Refused as problem:
                _log.info("%s", problem)
                wait_s = max(wait_s, min(problem.retry_after_ms, MAX_RETRY_AFTER_MS) / 1000)

    def _lose_open_frames(self, reason_if_unsent: Reason) -> None:
        """Gives up every open frame, as the session is over."""
        for frame in self._account.open_frames():
            was_sent = frame.sent_ms is not None
            self._account.give_up(frame, Reason.CONNECTION_LOST if was_sent else reason_if_unsent)


def _close_unwanted(opening: Future[FrameSource]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _encode_of(source: FrameSource) -> Encode:
    """How pictures of a source are encoded: by itself, if it can."""
    if not isinstance(source, EncodingSource):
        return encode_frame

    def encode(image: Image, side_px: int, quality: int) -> bytes:
        return encoded(call_guarded(source.encode, image, side_px, quality))

    return encode
