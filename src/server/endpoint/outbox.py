"""What one stream has still to be sent."""

from __future__ import annotations

import asyncio

from ...protos.serving_pb2 import Notice, Result, ServerMessage

FULL_LENGTH = 256
RESULTS_PER_MESSAGE = 32  # of at most 1000 boxes, 25 kB, each: within 1 MiB
ACK_GAP_S = 0.001


class Outbox:
    """Gathers acks, results and a notice until the sender takes them, all in one message as a rule.

    Acks are due at once, unless something was taken less than a millisecond ago: then they wait for
    the rest of it, or for a result to go with. Writing costs more than all else that is done for a
    frame, and whoever sends so fast measures its link often enough; `held_ms` tells of the wait.

    The sender waits in `wait`; whoever reads the stream waits in `wait_for_room` while the client
    takes nothing, so that the length stays bounded by `FULL_LENGTH` and the frames under way.

    Attributes:
        is_closed: whether nothing will be added any more.
    """

    def __init__(self) -> None:
        self._message = ServerMessage()
        self._read_ms: list[float] = []  # when the frame of each ack was read
        self._num_results = 0
        self._has_notice = False
        self.is_closed = False
        self._taken_s = -ACK_GAP_S  # when something was taken last, on the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._sender: asyncio.Future[None] | None = None
        self._reader: asyncio.Future[None] | None = None

    def add_ack(self, sequence: int, read_ms: float) -> None:
        """Acknowledges a frame."""
        self._message.acks.add(sequence=sequence)
        self._read_ms.append(read_ms)
        if self._sender is not None and not self._must_wait():
            self._wake_sender()

    def add_result(self, sequence: int) -> Result:
        """Adds the end of a frame; the caller fills it in before anything else can run."""
        self._num_results += 1
        self._wake_sender()
        return self._message.results.add(sequence=sequence)

    def add_notice(self, kind: Notice.Kind, detail: str) -> None:
        """Adds a notice, unless one waits already."""
        if not self._has_notice:
            self._message.notice.kind = kind
            self._message.notice.detail = detail
            self._has_notice = True
            self._wake_sender()

    def close(self) -> None:
        """Nothing will be added any more."""
        self.is_closed = True
        self._wake_sender()
        self._wake_reader()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be sent."""
        return not (self._read_ms or self._num_results or self._has_notice)

    @property
    def is_full(self) -> bool:
        """Whether the client should take something before more is read from it."""
        return len(self._read_ms) + self._num_results >= FULL_LENGTH

    def take(self, now_ms: float) -> ServerMessage:
        """Takes everything, to be written now; of many results the first ones."""
        message, self._message = self._message, ServerMessage()
        if self._num_results > RESULTS_PER_MESSAGE:
            self._message.results.extend(message.results[RESULTS_PER_MESSAGE:])
            del message.results[RESULTS_PER_MESSAGE:]
        for ack, read_ms in zip(message.acks, self._read_ms, strict=True):
            ack.held_ms = now_ms - read_ms
        self._read_ms.clear()
        self._num_results = len(self._message.results)
        self._has_notice = False
        self._taken_s = asyncio.get_running_loop().time()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake_reader()
        return message

    async def wait(self) -> None:
        """Waits until something is due, or nothing will be."""
        if self.is_closed or self._num_results or self._has_notice:
            return
        if self._read_ms and not self._must_wait():
            return
        self._sender = asyncio.get_running_loop().create_future()
        try:
            await self._sender
        finally:
            self._sender = None

    async def wait_for_room(self) -> None:
        """Waits while it is full."""
        while self.is_full and not self.is_closed:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def _must_wait(self) -> bool:
        """Whether acks are not due yet; then there is a timer that wakes the sender."""
        if self._timer is not None:
            return True
        loop = asyncio.get_running_loop()
        if loop.time() - self._taken_s >= ACK_GAP_S:
            return False
        self._timer = loop.call_at(self._taken_s + ACK_GAP_S, self._end_wait)
        return True

    def _end_wait(self) -> None:
        self._timer = None
        self._wake_sender()

    def _wake_sender(self) -> None:
        if self._sender is not None and not self._sender.done():
            self._sender.set_result(None)

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
