"""An endpoint as an executor sees it: its frames come from here, its answers go there."""

from __future__ import annotations

import logging
import threading

from ...protos.internal_pb2 import Envelope, FrameResults
from ..channel import Channel, ChannelClosedError
from ..frame_memory import FrameReader

SEND_LIMIT_S = 1.0  # an endpoint that does not read for that long is as good as dead

_log = logging.getLogger(__name__)


class EndpointLink:
    """One connection to one endpoint; a restarted endpoint gets another.

    Attributes:
        name: of the endpoint, for example `endpoint-0`.
        channel: read by the receiver thread alone.
        memory: where its frames are.
    """

    def __init__(self, name: str, channel: Channel, memory: FrameReader) -> None:
        self.name = name
        self.channel = channel
        self.memory = memory
        self._sending = threading.Lock()
        self._is_closed = False

    def answer(self, results: FrameResults) -> None:
        """Sends answers, from any thread. They are lost if the endpoint is gone: nobody waits."""
        with self._sending:
            if self._is_closed:
                return
            try:
                if not self.channel.send_within(Envelope(results=results), SEND_LIMIT_S):
                    _log.error("%s does not read; %d answers lost", self.name, len(results.frames))
            except ChannelClosedError:
                return  # the receiver thread tells

    def close(self) -> None:
        """Closes the connection; answers that are still to come are lost."""
        with self._sending:
            self._is_closed = True
            self.channel.close()
