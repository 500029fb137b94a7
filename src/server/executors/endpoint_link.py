"""An endpoint as an executor sees it: its frames come from here, its answers go there."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from ...protos.internal_pb2 import Envelope, FrameResults
from ..wire.bench import Bench
from ..wire.channel import Channel, ChannelClosedError, encode
from ..wire.frame_memory import FrameReader

BACKLOG_BYTES = 8 << 20  # an endpoint that leaves more unread than that is as good as dead

_log = logging.getLogger(__name__)


class EndpointLink:
    """One connection to one endpoint; a restarted endpoint gets another.

    Attributes:
        name: of the endpoint, for example `endpoint-0`.
        channel: read by the receiver thread alone.
        memory: where its frames are.
        bench: tells it what this executor is working at.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        memory: FrameReader,
        on_backlog: Callable[[], None] = lambda: None,
    ) -> None:
        """Takes a connection; `on_backlog` is called, by any thread, when `flush` is to be called."""
        self.name = name
        self.channel = channel
        self.memory = memory
        self.bench = Bench()
        self._on_backlog = on_backlog
        self._sending = threading.Lock()
        self._backlog: deque[bytes] = deque()
        self._backlog_bytes = 0
        self._is_closed = False

    @property
    def has_backlog(self) -> bool:
        """Whether answers wait for room."""
        return bool(self._backlog)

    def answer(self, results: FrameResults) -> None:
        """Sends answers, from any thread, without waiting: what finds no room is sent by `flush`.

        They are lost if the endpoint is gone, or does not read for long: it gives its frames up by itself.
        """
        packet = encode(Envelope(results=results))
        with self._sending:
            if self._is_closed or (not self._backlog and self._has_sent(packet)):
                return
            if self._backlog_bytes + len(packet) > BACKLOG_BYTES:
                _log.error("%s does not read; %d answers lost", self.name, len(results.frames))
                return
            self._backlog.append(packet)
            self._backlog_bytes += len(packet)
            if len(self._backlog) > 1:
                return
        self._on_backlog()

    def flush(self) -> None:
        """Sends what waits, as far as there is room."""
        with self._sending:
            while self._backlog and not self._is_closed and self._has_sent(self._backlog[0]):
                self._backlog_bytes -= len(self._backlog.popleft())

    def close(self) -> None:
        """Closes the connection; answers that are still to come are lost."""
        with self._sending:
            self._is_closed = True
            self._backlog.clear()
            self.channel.close()

    def _has_sent(self, packet: bytes) -> bool:
        try:
            return self.channel.send_bytes(packet)
        except ChannelClosedError:
            return True  # nobody waits for it; the receiver thread tells
