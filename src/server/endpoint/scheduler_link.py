"""The endpoint's side of its conversation with the scheduler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from ...protos.internal_pb2 import (
    Envelope,
    Join,
    JoinReply,
    Leave,
    PlanUpdate,
    Snapshot,
    StreamState,
)
from ...scheduling.plan_view import PlanView
from ..wire.channel import AsyncChannel, Channel
from ..zoo import ServedZoo
from .plan_packets import read_plan
from .problems import Code, SessionError

ENTRIES_PER_PACKET = 500  # of at most about 130 bytes each

_log = logging.getLogger(__name__)


class SchedulerLink:
    """Asks for places, tells how streams fare, and keeps the newest plan.

    The plan outlives the scheduler: streams go on by it until a successor has made a new one.

    Attributes:
        plan: the plan in force.
    """

    def __init__(
        self,
        zoo: ServedZoo,
        on_change: Callable[[], None],
        on_superseded: Callable[[str], None],
    ) -> None:
        """Starts without a scheduler.

        Args:
            zoo: what is served.
            on_change: called when a scheduler comes or goes.
            on_superseded: called with a stream whose session here is over, as it joined at another endpoint.
        """
        self.plan = PlanView()
        self._zoo = zoo
        self._on_change = on_change
        self._on_superseded = on_superseded
        self._channel: AsyncChannel | None = None
        self._joins: dict[int, asyncio.Future[JoinReply]] = {}
        self._next_request = 1
        self._parts: list[PlanUpdate] = []
        self._newest: list[PlanUpdate] = []  # the parts of the plan in force

    @property
    def is_attached(self) -> bool:
        """Whether there is a scheduler to talk to."""
        return self._channel is not None

    def attach(self, channel: Channel) -> None:
        """Takes a scheduler's channel in place of the one before."""
        self._detach()
        self._channel = AsyncChannel(channel, self._on_packet, self._on_close)
        self._on_change()

    async def join(self, stream: StreamState, limit_ms: float) -> JoinReply:
        """Asks for a place for one stream. Whoever stops waiting for the answer, or is stopped, leaves the place to others.

        Raises:
            SessionError: UNAVAILABLE, if no scheduler answers in time.
        """
        request = self._next_request
        self._next_request += 1
        envelope = Envelope(join=Join(request=request, stream=stream))
        if self._channel is None or not self._channel.send(envelope):
            raise SessionError(Code.UNAVAILABLE, "the server has no scheduler at the moment")
        reply: asyncio.Future[JoinReply] = asyncio.get_running_loop().create_future()
        self._joins[request] = reply
        try:
            async with asyncio.timeout(limit_ms / 1000):
                return await reply
        except asyncio.CancelledError:
            self.leave(request, stream.stream_id)
            raise
        except TimeoutError:
            self.leave(request, stream.stream_id)
            raise SessionError(
                Code.UNAVAILABLE, f"the scheduler did not answer within {limit_ms:g} ms"
            ) from None
        finally:
            self._joins.pop(request, None)

    def send_snapshot(
        self,
        streams: Sequence[StreamState],
        overhead_ms: float,
        *,
        is_urgent: bool,
        silent_devices: Sequence[str] = (),
    ) -> None:
        """Tells how all streams fare, and where frames are overdue; in as many parts as it takes."""
        if self._channel is None:
            return
        parts = [
            Snapshot(streams=streams[start : start + ENTRIES_PER_PACKET])
            for start in range(0, len(streams), ENTRIES_PER_PACKET)
        ]
        parts += [
            Snapshot(silent_devices=silent_devices[start : start + ENTRIES_PER_PACKET])
            for start in range(0, len(silent_devices), ENTRIES_PER_PACKET)
        ]
        parts = parts or [Snapshot()]
        for number, part in enumerate(parts, 1):
            part.overhead_ms = overhead_ms
            part.is_urgent = is_urgent
            part.plan_epoch = self.plan.epoch
            part.has_more = number < len(parts)
            self._channel.send(Envelope(snapshot=part))

    def close(self) -> None:
        """Ends the conversation."""
        self._detach()

    def _on_packet(self, envelope: Envelope, descriptors: tuple[int, ...]) -> None:
        del descriptors  # none come here
        if envelope.HasField("join_reply"):
            waiting = self._joins.get(envelope.join_reply.request)
            if waiting is not None and not waiting.done():
                waiting.set_result(envelope.join_reply)
        elif envelope.HasField("plan"):
            self._parts.append(envelope.plan)
            if not envelope.plan.has_more:
                self._newest, self._parts = self._parts, []
                self.read_plan()
        elif envelope.HasField("superseded"):
            self._on_superseded(envelope.superseded.stream_id)

    def read_plan(self) -> None:
        """Reads the plan in force anew: a device that it names has said who it is."""
        self.plan = read_plan(self._newest, self._zoo)

    def leave(self, request: int, stream_id: str) -> None:
        """Takes a question back, or the place that it was answered with."""
        if self._channel is not None:
            self._channel.send(Envelope(leave=Leave(request=request, stream_id=stream_id)))

    def _on_close(self) -> None:
        _log.warning("the scheduler is gone; serving by plan %d", self.plan.epoch)
        self._detach()
        self._on_change()

    def _detach(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._channel = None
        self._parts.clear()
        for waiting in self._joins.values():
            if not waiting.done():
                waiting.set_exception(
                    SessionError(Code.UNAVAILABLE, "the server lost its scheduler")
                )
