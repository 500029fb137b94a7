"""One session with the server: frames out, acks and results in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple, TypeVar

import google_crc32c
import grpc
import grpc.aio

from ..adapting.client_link import BITS_PER_KBIT, ClientLink, ServerTimes
from ..adapting.frame_sizes import FrameChoices, FrameSize
from ..adapting.policies.port import Sending
from ..core.advice import SideAdvice
from ..core.checks import plain
from ..core.clock import Clock
from ..core.ledger import LedgerError
from ..core.limits import BANDWIDTH_KBPS
from ..core.quality import JpegQuality
from ..core.verdict import Reason
from ..protos import serving_pb2 as pb
from ..vision.preprocessing import Image
from .account import Account, CapturedFrame
from .connection import Connection, StreamCall
from .errors import StreamFailed
from .options import StreamOptions

_log = logging.getLogger(__name__)

Choice = TypeVar("Choice", FrameSize, JpegQuality)

Encode = Callable[[Image, int, int], bytes]
"""Resizes a picture to a side (px) and encodes it with a JPEG quality."""


class SessionEnd(NamedTuple):
    """How a session ended, where another one may follow.

    Attributes:
        is_taken: whether another registration of the same id took its place.
        detail: in words for people.
    """

    is_taken: bool
    detail: str


GOODBYE_TIMEOUT_S = 1.0
_BITS_PER_BYTE = 8


class Session:
    """One call of `Stream`, from Open to Goodbye or to its loss.

    Attributes:
        has_worked: whether the server acknowledged a frame.
    """

    def __init__(
        self,
        connection: Connection,
        reply: pb.RegisterReply,
        account: Account,
        link: ClientLink,
        clock: Clock,
        encoder: Executor,
        encode: Encode,
        options: StreamOptions,
        on_sent: Callable[[CapturedFrame], None],
    ) -> None:
        """Prepares the session that a registration gave.

        Raises:
            StreamFailed: if the server names impossible input sizes.
        """
        self.has_worked = False
        self._connection = connection
        self._account = account
        self._link = link
        self._clock = clock
        self._encoder = encoder
        self._encode = encode
        self._options = options
        self._on_sent = on_sent
        self._token = reply.session
        self._advice = SideAdvice(reply.advised_side_px, reply.served_side_px)
        try:
            self._choices = _choices(reply.zoo)
        except ValueError as error:
            raise StreamFailed(
                f"{connection.address} names no input size that can be sent: {error}"
            ) from None
        self._waiting: CapturedFrame | None = None
        self._wake = asyncio.Event()
        self._is_draining = False
        self._held_since_ms: float | None = None  # while the frame that waits does so for the link

    def offer(self, frame: CapturedFrame) -> None:
        """Takes the newest frame; one that still waits is superseded by it."""
        if self._is_draining:
            self._account.give_up(frame, Reason.DRAINING)
            return
        if self._waiting is not None:
            self._account.give_up(self._waiting, Reason.SUPERSEDED)
        self._waiting = frame
        self._wake.set()

    def give_up_unsent(self, frame: CapturedFrame, kbits: float | None = None) -> None:
        """Gives up a frame that cannot be answered in time any more.

        The link is to blame if the frame would not have made it even on an infinitely fast client.

        Args:
            frame: was not sent.
            kbits: its encoded size; of the smallest side, if it is not given.
        """
        now_ms = self._clock.now_ms()
        if kbits is None:
            kbits = self._link.expected_kbits(self._choices.sizes[0])
        waited_ms = frame.link_ms
        if frame is self._waiting and self._held_since_ms is not None:
            waited_ms += now_ms - self._held_since_ms
        is_links = self._link.is_to_blame(kbits, waited_ms, self._options.slo_ms, now_ms)
        self._account.give_up(frame, Reason.LINK_TOO_SLOW if is_links else Reason.CLIENT_TOO_SLOW)

    async def run(self, settled: asyncio.Event) -> SessionEnd:
        """Carries frames until everything is settled, or the session is lost.

        Args:
            settled: set when nothing will be captured any more and no frame is open.

        Returns:
            Why the session ended.

        Raises:
            StreamFailed: if another session would not help.
        """
        call = self._connection.open_stream()
        tasks = [
            asyncio.create_task(self._send(call, settled), name="send frames"),
            asyncio.create_task(self._leave(call, settled), name="leave"),
        ]
        sending = tasks[0]
        sending.add_done_callback(lambda task: _cancel_if_failed(task, call))
        code, detail = grpc.StatusCode.OK, ""
        try:
            async for message in call:
                self._take(message)
        except grpc.aio.AioRpcError as error:
            code, detail = error.code(), error.details() or ""
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            code = grpc.StatusCode.CANCELLED  # by us: _leave, or a sender that failed
        finally:
            call.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not sending.cancelled():
            sending.result()
        failure = self._connection.explain_end(self._options.stream_id, code, detail)
        if failure is not None:
            raise failure
        return SessionEnd(code is grpc.StatusCode.ABORTED, plain(detail) or code.name)

    async def _leave(self, call: StreamCall, settled: asyncio.Event) -> None:
        """Lets the sender say goodbye, and ends the call if the server does not."""
        await settled.wait()
        self._wake.set()
        await asyncio.sleep(GOODBYE_TIMEOUT_S)
        call.cancel()

    def _take(self, message: pb.ServerMessage) -> None:
        """Takes in what the server says."""
        now_ms = self._clock.now_ms()
        for ack in message.acks:
            self.has_worked = True
            network_ms = self._link.on_ack(ack.sequence, ack.held_ms, now_ms)
            frame = self._account.find(ack.sequence)
            if frame is not None and network_ms is not None:
                frame.network_ms = network_ms
        for result in message.results:
            if result.drop.reason == Reason.TOO_LATE:
                self._link.on_too_late(result.sequence)
            else:
                self._link.on_answer(result.sequence, _server_times(result))
            try:
                self._account.settle(result, now_ms)
            except (ValueError, LedgerError) as error:
                raise StreamFailed(f"{self._connection.address} says {error}") from None
            self._advice = SideAdvice(result.advised_side_px, result.served_side_px)
        if message.notice.kind == pb.Notice.DRAINING:
            self._is_draining = True
            if self._waiting is not None:
                self._account.give_up(self._waiting, Reason.DRAINING)
                self._waiting = None
        elif (
            message.notice.kind
        ):  # our message was not understood, or we do not understand this one
            notice = message.notice
            _log.debug("%s: notice %d: %s", self._options.stream_id, notice.kind, notice.detail)
        self._wake.set()

    async def _send(self, call: StreamCall, settled: asyncio.Event) -> None:
        """Sends Open, then frames as the link takes them, then Goodbye."""
        # A call that has ended says so to its reader.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(pb.ClientMessage(open=pb.Open(session=self._token)))
            while not settled.is_set():
                self._wake.clear()
                frame, now_ms = self._waiting, self._clock.now_ms()
                start_ms = self._link.may_send_at_ms(now_ms)
                if frame is not None and start_ms <= now_ms:
                    self._waiting = None
                    await self._send_frame(call, frame)
                    continue
                await self._wait_for_link(frame, start_ms, now_ms)
            await call.write(pb.ClientMessage(goodbye=pb.Goodbye()))
            await call.done_writing()

    async def _wait_for_link(
        self, frame: CapturedFrame | None, start_ms: float, now_ms: float
    ) -> None:
        """Waits until something happens, or until the link is expected to be free for a frame."""
        is_timed = frame is not None and start_ms < math.inf
        self._held_since_ms = now_ms
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((start_ms - now_ms) / 1000 if is_timed else None):
                await self._wake.wait()
        self._held_since_ms = None
        if frame is not None:
            frame.link_ms += self._clock.now_ms() - now_ms

    async def _send_frame(self, call: StreamCall, frame: CapturedFrame) -> None:
        """Sends a frame at the side that fits, or gives it up."""
        if frame.image is None or self._account.find(frame.sequence) is None:
            return
        now_ms = self._clock.now_ms()
        due_ms = frame.captured_ms + self._options.slo_ms
        sending = self._link.choose_sending(
            frame.sequence, self._choices, self._advice, due_ms - now_ms, now_ms
        )
        if sending is Reason.SKIPPED:
            self._account.give_up(frame, sending)
            return
        if not isinstance(sending, Sending):
            self.give_up_unsent(frame)
            return
        size, quality = sending.size, sending.quality.quality
        jpeg, crc32c = await asyncio.get_running_loop().run_in_executor(
            self._encoder, self._with_checksum, frame.image, size.side_px, quality
        )
        if self._account.find(frame.sequence) is None:
            return
        now_ms = self._clock.now_ms()
        kbits = len(jpeg) * _BITS_PER_BYTE / BITS_PER_KBIT
        if not self._link.is_worth_sending(sending, kbits, due_ms - now_ms, now_ms):
            self.give_up_unsent(frame, kbits)
            return
        # Entered as sent before it is: the ack may be there before `write` returns.
        frame.sent_ms = now_ms
        frame.side_px, frame.jpeg_bytes = size.side_px, len(jpeg)
        frame.jpeg_quality = quality
        frame.bandwidth_kbps = BANDWIDTH_KBPS.nearest(self._link.bandwidth_kbps(now_ms))
        self._link.on_sent(frame.sequence, sending, kbits, now_ms)
        self._on_sent(frame)
        await call.write(
            pb.ClientMessage(
                frame=pb.Frame(
                    sequence=frame.sequence,
                    age_ms=now_ms - frame.captured_ms,
                    width_px=size.side_px,
                    height_px=size.side_px,
                    jpeg_bytes=len(jpeg),
                    jpeg_crc32c=crc32c,
                    jpeg=jpeg,
                    link=pb.LinkEstimate(
                        bandwidth_kbps=frame.bandwidth_kbps, wire_ms=self._link.wire_ms
                    ),
                )
            )
        )

    def _with_checksum(self, image: Image, side_px: int, quality: int) -> tuple[bytes, int]:
        jpeg = self._encode(image, side_px, quality)
        return jpeg, google_crc32c.value(jpeg)


def _server_times(result: pb.Result) -> ServerTimes | None:
    """What the server took for a frame that ran; decoding is part of its wait, and is needed."""
    if result.verdict != pb.ANSWERED:
        return None
    timings = result.timings
    waited_ms = timings.queue_ms - timings.decode_ms
    return ServerTimes(timings.server_ms - waited_ms, timings.inference_ms)


def _choices(zoo: pb.Zoo) -> FrameChoices:
    """What the server says may be sent, less what cannot be used here; ValueError where nothing is left."""
    sizes = ((one.side_px, one.frame_kbits, one.accuracy) for one in zoo.sizes)
    qualities = ((one.quality, one.accuracy_ratio, one.size_ratio) for one in zoo.qualities)
    return FrameChoices(_usable(FrameSize, sizes), _usable(JpegQuality, qualities))


def _usable(kind: Callable[..., Choice], offers: Iterable[tuple[float, ...]]) -> list[Choice]:
    """What a server offers, less what cannot be; perhaps only newer clients know what that means."""
    usable = []
    for fields in offers:
        try:
            usable.append(kind(*fields))
        except ValueError as error:
            _log.debug("an offer of the server is left out: %s", error)
    return usable


def _cancel_if_failed(task: asyncio.Task[None], call: StreamCall) -> None:
    """Ends the call when its sender failed, so that its reader does not wait for ever."""
    if not task.cancelled() and task.exception() is not None:
        call.cancel()
