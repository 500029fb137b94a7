"""The endpoint's side of its conversation with the scheduler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from ...protos.internal_pb2 import Envelope, Join, JoinReply, PlanUpdate, Snapshot, StreamState
from ...scheduling.plan_view import PlanView
from ..channel import AsyncChannel, Channel
from ..zoo import ServedZoo
from .plan_packets import read_plan
from .problems import Code, SessionError

STREAMS_PER_PACKET = 500  # of at most about 130 bytes each

_log = logging.getLogger(__name__)


class SchedulerLink:
    """Asks for places, tells how streams fare, and keeps the newest plan.

    The plan outlives the scheduler: streams go on by it until a successor has made a new one.

    Attributes:
        plan: the plan in force.
    """

    def __init__(self, zoo: ServedZoo, on_change: Callable[[], None]) -> None:
        """Starts without a scheduler; `on_change` is called when one comes or goes."""
        self.plan = PlanView()
        self._zoo = zoo
        self._on_change = on_change
        self._channel: AsyncChannel | None = None
        self._joins: dict[int, asyncio.Future[JoinReply]] = {}
        self._next_request = 1
        self._parts: list[PlanUpdate] = []

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
        """Asks for a place for one stream.

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
        except TimeoutError:
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
        """Tells how all streams fare, and which devices hang; in parts where they are many."""
        if self._channel is None:
            return
        for start in range(0, max(1, len(streams)), STREAMS_PER_PACKET):
            snapshot = Snapshot(
                streams=streams[start : start + STREAMS_PER_PACKET],
                overhead_ms=overhead_ms,
                is_urgent=is_urgent,
                has_more=start + STREAMS_PER_PACKET < len(streams),
                plan_epoch=self.plan.epoch,
                silent_devices=silent_devices,
            )
            self._channel.send(Envelope(snapshot=snapshot))

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
                self.plan = read_plan(self._parts, self._zoo)
                self._parts.clear()

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
