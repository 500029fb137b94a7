"""One session with the server: frames out, acks and results in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple, TypeVar

import google_crc32c
import grpc
import grpc.aio

from ..adapting.frame_sizes import FrameChoices, FrameSize
from ..adapting.sender import Encode, Send
from ..core.advice import SideAdvice
from ..core.checks import plain
from ..core.ledger import LedgerError
from ..core.link import KBITS_PER_BYTE
from ..core.quality import JpegQuality
from ..core.zoo import Fit
from ..protos import serving_pb2 as pb
from ..vision.fits import Image, inner_size_px
from .account import Account, CapturedFrame
from .answers import read_result
from .connection import Connection, StreamCall
from .errors import StreamFailed

_log = logging.getLogger(__name__)

Choice = TypeVar("Choice", FrameSize, JpegQuality)

Encoder = Callable[[Image, int, int, Fit], bytes]
"""Resizes a picture to what a network of a side (px) and fit needs of it, and encodes it with a JPEG quality."""

FITS = {pb.Fit.Value(fit.name): fit for fit in Fit}


class SessionEnd(NamedTuple):
    """How a session ended, where another one may follow.

    Attributes:
        is_taken: whether another registration of the same id took its place.
    """

    is_taken: bool
    detail: str


GOODBYE_TIMEOUT_S = 1.0


class Session:
    """One call of `Stream`, from Open to Goodbye or to its loss; carries what an account sends.

    Attributes:
        has_worked: whether the server acknowledged a frame.
    """

    def __init__(
        self,
        connection: Connection,
        reply: pb.RegisterReply,
        account: Account,
        encode: Encoder,
        encoder: Executor,
    ) -> None:
        """Takes over the account's frames, with what a registration gave.

        Raises:
            StreamFailed: if the server names impossible input sizes.
        """
        self.has_worked = False
        self._connection = connection
        self._account = account
        self._sender = account.sender
        self._clock = account.clock
        self._encoder = encoder
        self._encode = encode
        self._options = account.options
        self._token = reply.session
        self._fit = FITS.get(
            reply.zoo.fit, Fit.STRETCH
        )  # whose boxes are right whatever a newer server does
        self._wake = asyncio.Event()
        self._order: Encode[CapturedFrame] | None = None
        self._to_send: CapturedFrame | None = None
        try:
            choices = _choices(reply.zoo)
        except ValueError as error:
            raise StreamFailed(
                f"{connection.address} names no input size that can be sent: {error}"
            ) from None
        self._sender.connected(choices, SideAdvice(reply.advised_side_px, reply.served_side_px))
        account.session = self

    def carry_out(self, order: Encode[CapturedFrame] | Send[CapturedFrame]) -> None:
        """Takes note of what the sender wants done next."""
        if isinstance(order, Encode):
            self._order = order
            self._wake.set()
        else:
            self._to_send = order.frame

    async def run(self, settled: asyncio.Event) -> SessionEnd:
        """Carries frames until everything is settled, or the session is lost.

        Raises:
            StreamFailed: if another session would not help.
        """
        call = self._connection.open_stream()
        tasks = [
            asyncio.create_task(self._send_all(call, settled), name="send frames"),
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
            self._sender.acked(ack.sequence, ack.held_ms, now_ms)
        for result in message.results:
            num_before = self._sender.ledger.duplicated
            try:
                self._sender.answered(result.sequence, read_result(result), now_ms)
            except (ValueError, LedgerError) as error:
                raise StreamFailed(f"{self._connection.address} says {error}") from None
            if self._sender.ledger.duplicated > num_before:
                stream_id = self._options.stream_id
                _log.warning("%s: sequence %d: answered twice", stream_id, result.sequence)
        notice = message.notice
        if notice.kind == pb.Notice.DRAINING:
            self._sender.draining(now_ms)
        elif notice.kind:  # our message was not understood, or we do not understand this one
            _log.debug("%s: notice %d: %s", self._options.stream_id, notice.kind, notice.detail)
        self._account.act()

    async def _send_all(self, call: StreamCall, settled: asyncio.Event) -> None:
        """Sends Open, then frames as they are ordered, then Goodbye."""
        # A call that has ended says so to its reader.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(pb.ClientMessage(open=pb.Open(session=self._token)))
            while not settled.is_set():
                self._wake.clear()
                order, self._order = self._order, None
                if order is None:
                    await self._wake.wait()
                else:
                    await self._encode_and_send(call, order)
            await call.write(pb.ClientMessage(goodbye=pb.Goodbye()))
            await call.done_writing()

    async def _encode_and_send(self, call: StreamCall, order: Encode[CapturedFrame]) -> None:
        """Encodes a frame, and sends it if that is still wanted."""
        frame, (size, quality, _) = order.frame, order.sending
        if frame.image is None:
            raise AssertionError(f"frame {frame.sequence}: was offered without a picture")
        height, width = frame.image.shape[:2]
        width_px, height_px = inner_size_px((width, height), size.side_px, self._fit)
        jpeg, crc32c = await asyncio.get_running_loop().run_in_executor(
            self._encoder, self._with_checksum, frame.image, size.side_px, quality.quality
        )
        now_ms = self._clock.now_ms()
        self._sender.encoded(frame.sequence, len(jpeg) * KBITS_PER_BYTE, now_ms)
        self._account.act()
        if self._to_send is not frame:
            return
        if not self._options.keep_images:
            frame.image = None
        await call.write(
            pb.ClientMessage(
                frame=pb.Frame(
                    sequence=frame.sequence,
                    age_ms=now_ms - frame.captured_ms,
                    width_px=width_px,
                    height_px=height_px,
                    jpeg_bytes=len(jpeg),
                    jpeg_crc32c=crc32c,
                    jpeg=jpeg,
                    link=pb.LinkEstimate(
                        bandwidth_kbps=frame.bandwidth_kbps, wire_ms=self._sender.link.wire_ms
                    ),
                )
            )
        )
        self._sender.written(frame.sequence)
        self._account.act()

    def _with_checksum(self, image: Image, side_px: int, quality: int) -> tuple[bytes, int]:
        jpeg = self._encode(image, side_px, quality, self._fit)
        return jpeg, google_crc32c.value(jpeg)


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
